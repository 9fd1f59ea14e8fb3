#include "ring.h"
#include "tap.h"

int main(void)
{
	unsigned char storage[5], byte = 0;
	bool in_order = true, counted = true;
	ring r;

	tap_plan(2);
	ring_init(&r, storage, sizeof storage);
	ring_put(&r, 0);
	ring_put(&r, 1);
	/* Round and round: always two bytes inside, so that head and tail pass the end of the storage at different times. */
	for (unsigned i = 2; i < 1000; i++) {
		ring_put(&r, (unsigned char)i);
		counted &= ring_count(&r) == 3 && ring_space(&r) == 1;
		ring_get(&r, &byte);
		in_order &= byte == (unsigned char)(i - 2);
	}
	tap_ok(in_order, "bytes come out in order across the end of the storage");
	tap_ok(counted, "the count holds across the end of the storage");
	return tap_done();
}
