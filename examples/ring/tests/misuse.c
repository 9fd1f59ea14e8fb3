/* The known crash of this example: the library aborts when the caller breaks a promise. That happens here after the first
 * of three cases, on purpose, so that the demo has a crashing test to show: the other two are never reported. */
#include "ring.h"
#include "tap.h"

int main(void)
{
	unsigned char storage[2];
	ring r;

	tap_plan(3);
	ring_init(&r, storage, sizeof storage);
	tap_ok(ring_put(&r, 'x') && !ring_put(&r, 'y'), "the smallest ring holds one byte");
	ring_init(&r, NULL, sizeof storage);
	tap_equal(ring_count(&r), 0, "a ring without storage is empty");
	tap_ok(!ring_put(&r, 'x'), "a ring without storage takes nothing");
	return tap_done();
}
