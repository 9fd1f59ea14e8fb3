/* A ring buffer of bytes over storage that the caller owns. No allocation, no locks. */
#ifndef RING_H
#define RING_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
	unsigned char *bytes;
	size_t size; /* of the storage */
	size_t head; /* the next byte to take */
	size_t tail; /* the next free place */
} ring;

/* Makes a ring over `size` bytes of storage. One of them always stays free: that is how a full ring is told from an
 * empty one. `size` must be at least 2. */
void ring_init(ring *r, void *storage, size_t size);

/* How many bytes are in it, and how many more fit. */
size_t ring_count(const ring *r);
size_t ring_space(const ring *r);

/* Puts or takes one byte; false when the ring is full or empty. */
bool ring_put(ring *r, unsigned char byte);
bool ring_get(ring *r, unsigned char *byte);

/* Puts or takes as many of `size` bytes as it can, and returns how many. */
size_t ring_write(ring *r, const void *bytes, size_t size);
size_t ring_read(ring *r, void *bytes, size_t size);

#endif
