/* SPDX-License-Identifier: Apache-2.0 */
/* Exponential backoff for refusals only. Each process of a worker counts for itself. */
#include "worker/retry.h"

#include "base/io.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#define LOST_MS 1000u
#define VERSION_MS 30000u
#define SAY_AGAIN_US 3600000000ull
#define LASTING_US 10000000u

enum retry_cause retry_cause_of(const struct pe_error *fault)
{
    return fault->kind == PE_ERR_INVALID ? RETRY_REFUSED : RETRY_LOST;
}

/* Between half of `ms` and all of it. */
static unsigned blur(unsigned ms)
{
    uint32_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)pe_now_us();
    return ms / 2 + random % (ms / 2 + 1);
}

unsigned retry_after_ms(struct retry *retry, enum retry_cause cause)
{
    unsigned ms = 1000;
    if (cause == RETRY_LOST)
        return blur(LOST_MS);
    if (cause == RETRY_VERSION)
        return blur(VERSION_MS);
    for (unsigned i = 0; i < retry->refusals && ms < RETRY_MS_MAX; i++)
        ms *= 2;
    retry->refusals++;
    return blur(ms < RETRY_MS_MAX ? ms : RETRY_MS_MAX);
}

static const char *skip_digits(const char *text)
{
    return text + strspn(text, "0123456789");
}

/* Messages of libcurl have a number of milliseconds in them, and those about certificates a time. */
static bool differ_in_numbers_only(const char *a, const char *b)
{
    for (;;) {
        a = skip_digits(a);
        b = skip_digits(b);
        if (*a != *b)
            return false;
        if (!*a)
            return true;
        a++;
        b++;
    }
}

bool retry_says(struct retry *retry, const char *message)
{
    char text[sizeof retry->said];
    snprintf(text, sizeof text, "%s", message);
    const uint64_t now_us = pe_now_us();
    if (retry->said[0] && differ_in_numbers_only(text, retry->said) && now_us - retry->said_us < SAY_AGAIN_US)
        return false;
    memcpy(retry->said, text, sizeof text);
    retry->said_us = now_us;
    return true;
}

void retry_lasted(struct retry *retry, uint64_t lasted_us)
{
    if (lasted_us >= LASTING_US)
        *retry = (struct retry){.refusals = 0};
}
