/* Skipped everywhere that one would run the example: nobody has this much memory to spare for it. */
#include "tap.h"

int main(void)
{
	return tap_skip_all("needs a machine with 64 GiB of memory");
}
