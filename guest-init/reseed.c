/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, random number generator and boot id of a VM that may be one of many clones. */
#include "guest-init/reseed.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/layout.h"
#include "guest-init/mounts.h"

#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <time.h>

#define UUID_TEXT_BYTES 37u /* with the newline */

static int set_clock(uint64_t now_ns, struct pe_error *err)
{
    const struct timespec now = {.tv_sec = (time_t)(now_ns / 1000000000u),
                                 .tv_nsec = (long)(now_ns % 1000000000u)};
    if (clock_settime(CLOCK_REALTIME, &now) < 0)
        return pe_fail_errno(err, "cannot set the clock to %llu ns", (unsigned long long)now_ns);
    return 0;
}

static int add_entropy(const uint8_t bytes[GUEST_ENTROPY_BYTES], struct pe_error *err)
{
    /* struct rand_pool_info of the kernel has two ints and an array without a size, random(4). */
    struct {
        int entropy_bits;
        int size;
        uint8_t bytes[GUEST_ENTROPY_BYTES];
    } pool = {.entropy_bits = (int)GUEST_ENTROPY_BYTES * 8, .size = (int)GUEST_ENTROPY_BYTES};
    memcpy(pool.bytes, bytes, GUEST_ENTROPY_BYTES);
    static int random = -1; /* stays open for the next time, which may be that of the job */
    if (random < 0)
        random = open("/dev/urandom", O_WRONLY | O_CLOEXEC);
    if (random < 0)
        return pe_fail_errno(err, "cannot open /dev/urandom");
    if (ioctl(random, RNDADDENTROPY, &pool) < 0)
        return pe_fail_errno(err, "cannot add entropy to the random number generator");
    /* Otherwise the generator would use the state that all clones share for up to a minute more. */
    if (ioctl(random, RNDRESEEDCRNG) < 0)
        return pe_fail_errno(err, "cannot reseed the random number generator");
    return 0;
}

static int write_boot_id(const char text[UUID_TEXT_BYTES], struct pe_error *err)
{
    pe_autoclose int file = open(GUEST_BOOT_ID, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    if (file < 0)
        return pe_fail_errno(err, "cannot open " GUEST_BOOT_ID);
    return pe_write_all(file, text, UUID_TEXT_BYTES, GUEST_BOOT_ID, err);
}

/* Write a random UUID (RFC 9562, version 4). It takes the place of the kernel's boot id, which is
 * the same in all clones of a template. The file is bound into the container, so it is written, not
 * replaced. */
static int renew_boot_id(struct pe_error *err)
{
    uint8_t b[16];
    char text[UUID_TEXT_BYTES + 1];
    if (getrandom(b, sizeof b, 0) != sizeof b)
        return pe_fail_errno(err, "cannot get random bytes for a boot id");
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
    if (mounts_identity_writable(true, err) < 0 || write_boot_id(text, err) < 0)
        return -1;
    return mounts_identity_writable(false, err);
}

int reseed_guest(const struct guest_job *job, uint64_t since_us, struct pe_error *err)
{
    if (add_entropy(job->entropy, err) < 0 || renew_boot_id(err) < 0)
        return -1;
    return set_clock(job->now_ns + (pe_now_us() - since_us) * 1000, err);
}
