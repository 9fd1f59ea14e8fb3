/* Prints TAP version 13: <https://testanything.org/tap-version-13-specification.html>. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdio.h>

static int tap_count;
static int tap_failed;

/* Begins the stream. Each line leaves at once: a program that crashes must not take its results with it. */
static inline void tap_plan(int cases)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("TAP version 13\n1..%d\n", cases);
}

static inline void tap_ok(bool passed, const char *name)
{
	printf("%sok %d - %s\n", passed ? "" : "not ", ++tap_count, name);
	if (!passed)
		tap_failed++;
}

static inline void tap_equal(size_t got, size_t want, const char *name)
{
	tap_ok(got == want, name);
	if (got != want)
		printf("  ---\n  message: got %zu, want %zu\n  got: %zu\n  want: %zu\n  ...\n", got, want, got, want);
}

static inline int tap_skip_all(const char *reason)
{
	printf("TAP version 13\n1..0 # SKIP %s\n", reason);
	return 0;
}

/* The program's exit status. */
static inline int tap_done(void)
{
	return tap_failed == 0 ? 0 : 1;
}

#endif
