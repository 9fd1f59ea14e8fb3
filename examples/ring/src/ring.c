#include "ring.h"

#include <stdio.h>
#include <stdlib.h>

/* A broken promise of the caller is no state to go on from. Not assert(): it must hold with NDEBUG too. */
static void must(bool held, const char *promise)
{
	if (!held) {
		fprintf(stderr, "ring: the caller broke a promise: %s\n", promise);
		abort();
	}
}

void ring_init(ring *r, void *storage, size_t size)
{
	must(storage != NULL, "the storage is not NULL");
	must(size >= 2, "the storage has at least 2 bytes");
	*r = (ring){.bytes = storage, .size = size};
}

size_t ring_count(const ring *r)
{
	return r->tail >= r->head ? r->tail - r->head : r->size - r->head + r->tail;
}

size_t ring_space(const ring *r)
{
	return r->size - 1 - ring_count(r);
}

bool ring_put(ring *r, unsigned char byte)
{
	if (ring_space(r) == 0)
		return false;
	r->bytes[r->tail] = byte;
	r->tail = (r->tail + 1) % r->size;
	return true;
}

bool ring_get(ring *r, unsigned char *byte)
{
	if (ring_count(r) == 0)
		return false;
	*byte = r->bytes[r->head];
	r->head = (r->head + 1) % r->size;
	return true;
}

size_t ring_write(ring *r, const void *bytes, size_t size)
{
	const unsigned char *from = bytes;
	size_t done = 0;

	while (done < size && ring_put(r, from[done]))
		done++;
	return done;
}

size_t ring_read(ring *r, void *bytes, size_t size)
{
	unsigned char *to = bytes;
	size_t done = 0;

	while (done < size && ring_get(r, &to[done]))
		done++;
	return done;
}
