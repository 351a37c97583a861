/* SPDX-License-Identifier: Apache-2.0 */
/* Take away or forge the randomness of the kernel.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <linux/random.h>
#include <sys/ioctl.h>

int main(void)
{
    const struct {
        int bits, size;
        unsigned bytes[8];
    } entropy = {256, 32, {0}};
    int fd = open("/dev/urandom", O_RDWR), count = 0;
    must_fail("RNDADDENTROPY", ioctl(fd, RNDADDENTROPY, &entropy));
    must_fail("RNDADDTOENTCNT", ioctl(fd, RNDADDTOENTCNT, &count));
    must_fail("RNDCLEARPOOL", ioctl(fd, RNDCLEARPOOL));
    must_fail("RNDRESEEDCRNG", ioctl(fd, RNDRESEEDCRNG));
    return held();
}
