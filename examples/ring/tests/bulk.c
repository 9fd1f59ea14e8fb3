#include <string.h>

#include "ring.h"
#include "tap.h"

int main(void)
{
	char storage[8], out[8] = "";
	ring r;

	tap_plan(3);
	ring_init(&r, storage, sizeof storage);
	tap_equal(ring_write(&r, "hello", 5), 5, "a block that fits is taken whole");
	tap_equal(ring_write(&r, "world", 5), 2, "of a longer block only what fits is taken");
	tap_ok(ring_read(&r, out, sizeof out) == 7 && memcmp(out, "hellowo", 7) == 0, "a read takes what is there");
	return tap_done();
}
