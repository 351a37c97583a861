/* Clock and random state of a VM that may be one of many clones. */
#include "guest-init/freshness.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <linux/random.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#define ENTROPY_BYTES_MAX 64u

int freshness_set_clock(uint64_t now_ns, struct pe_error *err)
{
    const struct timespec now = {.tv_sec = (time_t)(now_ns / 1000000000u),
                                 .tv_nsec = (long)(now_ns % 1000000000u)};
    if (clock_settime(CLOCK_REALTIME, &now) < 0)
        return pe_fail_errno(err, "setting the clock to %llu ns", (unsigned long long)now_ns);
    return 0;
}

int freshness_add_entropy(const uint8_t *bytes, size_t size, struct pe_error *err)
{
    if (size > ENTROPY_BYTES_MAX)
        return pe_fail(err, PE_ERR_INVALID, "more than %u bytes of entropy", ENTROPY_BYTES_MAX);
    /* struct rand_pool_info ends in an array without a size: two ints, then the bytes. */
    struct {
        int entropy_bits;
        int size;
        uint8_t bytes[ENTROPY_BYTES_MAX];
    } pool = {.entropy_bits = (int)size * 8, .size = (int)size};
    memcpy(pool.bytes, bytes, size);
    pe_autoclose int random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (random < 0)
        return pe_fail_errno(err, "opening /dev/urandom");
    if (ioctl(random, RNDADDENTROPY, &pool) < 0)
        return pe_fail_errno(err, "adding entropy");
    /* Without this the generator goes on with the state that every clone shares, for up to a minute. */
    if (ioctl(random, RNDRESEEDCRNG) < 0)
        return pe_fail_errno(err, "reseeding the random number generator");
    return 0;
}
