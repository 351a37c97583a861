/* SPDX-License-Identifier: Apache-2.0 */
/* Choices from bytes or from a generator (SplitMix64). */
#include "tests/model/choices.h"

static struct {
    const uint8_t *bytes;
    size_t left;
    bool seeded;
    uint64_t state;
} source;

void choices_from_bytes(const uint8_t *bytes, size_t size)
{
    source.bytes = bytes;
    source.left = size;
    source.seeded = false;
}

void choices_from_seed(uint64_t seed)
{
    source.seeded = true;
    source.state = seed;
}

bool choices_over(void)
{
    return !source.seeded && source.left == 0;
}

static uint64_t next_random(void)
{
    uint64_t z = source.state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

unsigned choose(unsigned count)
{
    if (source.seeded)
        return (unsigned)(next_random() % count);
    if (!source.left)
        return 0;
    source.left--;
    return *source.bytes++ % count;
}

bool chance(unsigned percent)
{
    return choose(100) >= 100 - percent;
}
