/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 as FIPS 180-4 describes it, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3 and 6.2. */
#include "codec/sha256_plain.h"

#include <string.h>

enum { BLOCK = 64, ROUNDS = 64, WORDS = 8 };

static const uint32_t constants[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t rotate(uint32_t word, unsigned bits)
{
    return word >> bits | word << (32 - bits);
}

static uint32_t small_sigma_0(uint32_t x)
{
    return rotate(x, 7) ^ rotate(x, 18) ^ x >> 3;
}

static uint32_t small_sigma_1(uint32_t x)
{
    return rotate(x, 17) ^ rotate(x, 19) ^ x >> 10;
}

static void make_schedule(const uint8_t block[BLOCK], uint32_t schedule[ROUNDS])
{
    for (size_t i = 0; i < 16; i++)
        schedule[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
                      (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    for (size_t i = 16; i < ROUNDS; i++)
        schedule[i] = small_sigma_1(schedule[i - 2]) + schedule[i - 7] + small_sigma_0(schedule[i - 15]) +
                      schedule[i - 16];
}

/* The letters are those of section 6.2.2. */
static void add_block(struct pe_sha256_plain *hash, const uint8_t block[BLOCK])
{
    uint32_t schedule[ROUNDS], v[WORDS];
    make_schedule(block, schedule);
    memcpy(v, hash->state, sizeof v);
    for (size_t i = 0; i < ROUNDS; i++) {
        const uint32_t a = v[0], b = v[1], c = v[2], e = v[4], f = v[5], g = v[6];
        const uint32_t t1 = v[7] + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) +
                            constants[i] + schedule[i];
        const uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        memmove(v + 1, v, (WORDS - 1) * sizeof *v);
        v[0] = t1 + t2;
        v[4] += t1;
    }
    for (size_t i = 0; i < WORDS; i++)
        hash->state[i] += v[i];
}

void pe_sha256_plain_begin(struct pe_sha256_plain *hash)
{
    *hash = (struct pe_sha256_plain){.state = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                               0x9b05688c, 0x1f83d9ab, 0x5be0cd19}};
}

void pe_sha256_plain_add(struct pe_sha256_plain *hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    size_t filled = hash->size % BLOCK;
    hash->size += size;
    while (size) {
        size_t part = size < BLOCK - filled ? size : BLOCK - filled;
        memcpy(hash->block + filled, at, part);
        filled += part;
        at += part;
        size -= part;
        if (filled == BLOCK) {
            add_block(hash, hash->block);
            filled = 0;
        }
    }
}

/* A bit 1, zeros, and the number of bits in 64 bits fill the last block. */
static void pad(struct pe_sha256_plain *hash)
{
    uint8_t tail[BLOCK + 8] = {0x80};
    uint64_t bits = hash->size * 8;
    size_t filled = hash->size % BLOCK;
    size_t zeros = (filled < BLOCK - 8 ? BLOCK : 2 * BLOCK) - 8 - filled;
    for (size_t i = 0; i < 8; i++)
        tail[zeros + i] = (uint8_t)(bits >> (56 - 8 * i));
    pe_sha256_plain_add(hash, tail, zeros + 8);
}

void pe_sha256_plain_end(struct pe_sha256_plain *hash, char hex[PE_SHA256_PLAIN_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    pad(hash);
    for (size_t i = 0; i < 2 * sizeof hash->state; i++)
        hex[i] = digits[hash->state[i / 8] >> (28 - 4 * (i % 8)) & 15];
    hex[PE_SHA256_PLAIN_HEX_SIZE - 1] = '\0';
}
