#include "ring.h"
#include "tap.h"

int main(void)
{
	unsigned char storage[8], byte = 0;
	ring r;

	tap_plan(4);
	ring_init(&r, storage, sizeof storage);
	tap_equal(ring_count(&r), 0, "a new ring is empty");
	tap_ok(!ring_get(&r, &byte), "an empty ring gives nothing");
	tap_ok(ring_put(&r, 'x') && ring_count(&r) == 1, "a byte goes in");
	tap_ok(ring_get(&r, &byte) && byte == 'x' && ring_count(&r) == 0, "the same byte comes out");
	return tap_done();
}
