/* SPDX-License-Identifier: Apache-2.0 */
/* Glob matching with a nondeterministic automaton. All its states are bits of a few words, and one
 * step moves all of them over one character of the path (the method "shift-and" of Baeza-Yates and
 * Gonnet). So the time does not depend on what pattern and path look like, only on their lengths. */
#include "codec/glob.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { WORDS_MAX = PE_GLOB_MAX / 64 + 1, CHARACTERS = 256 };

/* State n: the elements before element n have matched what was read so far. The state behind the
 * last element means that the pattern matches. */
struct automaton {
    size_t count;                           /* elements; state `count` accepts */
    size_t words;                           /* used in the arrays */
    uint64_t moves[CHARACTERS * WORDS_MAX]; /* `words` for each character: states that it moves to the next */
    uint64_t stays_in_name[WORDS_MAX];      /* states that every character but '/' keeps */
    uint64_t stays[WORDS_MAX];              /* states that every character keeps */
    uint64_t optional[WORDS_MAX];           /* states that include the next one */
    uint64_t optional_folder[WORDS_MAX];    /* states that include the next two */
};

static void set(uint64_t *bits, size_t at)
{
    bits[at / 64] |= 1ull << at % 64;
}

static bool has(const uint64_t *bits, size_t at)
{
    return bits[at / 64] >> at % 64 & 1;
}

/* ---- from a pattern to an automaton ---- */

/* Clear what the automaton of a pattern of `length` bytes uses. Every element has at least one byte
 * of the pattern. */
static void clear(struct automaton *automaton, size_t length)
{
    size_t words = length / 64 + 1, bytes = words * sizeof(uint64_t);
    automaton->count = 0;
    automaton->words = words;
    memset(automaton->moves, 0, CHARACTERS * bytes);
    memset(automaton->stays_in_name, 0, bytes);
    memset(automaton->stays, 0, bytes);
    memset(automaton->optional, 0, bytes);
    memset(automaton->optional_folder, 0, bytes);
}

static uint64_t *moves_of(struct automaton *automaton, size_t c)
{
    return automaton->moves + c * automaton->words;
}

static void add_literal(struct automaton *automaton, char c)
{
    set(moves_of(automaton, (unsigned char)c), automaton->count++);
}

static void add_any(struct automaton *automaton)
{
    for (size_t c = 0; c < CHARACTERS; c++)
        if (c != '/')
            set(moves_of(automaton, c), automaton->count);
    automaton->count++;
}

/* `at` is behind the '[', and `end` at the ']'. */
static void add_set(struct automaton *automaton, const char *at, const char *end)
{
    bool member[CHARACTERS] = {false}, negated = *at == '!';
    for (at += negated; at < end; at++) {
        bool is_range = at + 2 < end && at[1] == '-';
        unsigned char last = (unsigned char)at[is_range ? 2 : 0];
        for (unsigned c = (unsigned char)*at; c <= last; c++)
            member[c] = true;
        at += is_range ? 2 : 0;
    }
    for (size_t c = 0; c < CHARACTERS; c++)
        if (member[c] != negated && c != '/')
            set(moves_of(automaton, c), automaton->count);
    automaton->count++;
}

/* "*" or, if `across`, "**". Several in a row are the same as one, which the steps rely on. */
static void add_star(struct automaton *automaton, bool across)
{
    bool repeated = automaton->count && has(automaton->optional, automaton->count - 1);
    size_t at = repeated ? automaton->count - 1 : automaton->count++;
    set(automaton->optional, at);
    set(across ? automaton->stays : automaton->stays_in_name, at);
}

/* A "**" and the slash behind it: nothing, or anything up to a slash. The first of its two states
 * is where it begins, the second is inside of it. */
static void add_folders(struct automaton *automaton)
{
    size_t count = automaton->count;
    if (count && has(automaton->optional, count - 1))
        return; /* "**" in front of it matches whatever it matches */
    if (count > 1 && has(automaton->optional_folder, count - 2))
        return;
    set(automaton->optional_folder, count);
    set(automaton->stays, count + 1);
    set(moves_of(automaton, '/'), count + 1);
    automaton->count += 2;
}

/* The ']' of the set that begins at `at`, or NULL if there is none: then the '[' is literal. A set
 * has at least one character, which may be a ']'. */
static const char *end_of_set(const char *at)
{
    const char *first = at + (at[1] == '!' ? 2 : 1);
    return *first ? strchr(first + 1, ']') : NULL;
}

static void compile(struct automaton *automaton, const char *at)
{
    bool sets_end = false; /* no ']' follows: another search for one would make the time quadratic */
    while (*at) {
        const char *end = *at == '[' && !sets_end ? end_of_set(at) : NULL;
        sets_end |= *at == '[' && !end;
        if (end) {
            add_set(automaton, at + 1, end);
            at = end + 1;
        } else if (at[0] == '*' && at[1] == '*' && at[2] == '/') {
            add_folders(automaton);
            at += 3;
        } else if (*at == '*') {
            add_star(automaton, at[1] == '*');
            at += at[1] == '*' ? 2 : 1;
        } else if (*at == '?') {
            add_any(automaton);
            at++;
        } else {
            at += *at == '\\' && at[1];
            add_literal(automaton, *at++);
        }
    }
}

/* ---- matching ---- */

/* Bits that are shifted out of one word into the next one. */
struct carry {
    uint64_t move, folder, optional;
};

/* One word of the states, and every state that its states include. Neither kind of optional element
 * is followed by another one of its kind, and a star by no folders, so this order reaches all. */
static uint64_t include_optional(const struct automaton *automaton, size_t word, uint64_t states,
                                 struct carry *carry)
{
    states |= carry->folder;
    uint64_t folder = states & automaton->optional_folder[word];
    states |= folder << 1 | folder << 2;
    carry->folder = folder >> 63 | folder >> 62;
    states |= carry->optional;
    uint64_t optional = states & automaton->optional[word];
    carry->optional = optional >> 63;
    return states | optional << 1;
}

static void step(const struct automaton *automaton, unsigned char c, uint64_t states[WORDS_MAX])
{
    const uint64_t *moves = automaton->moves + c * automaton->words;
    struct carry carry = {0};
    for (size_t word = 0; word < automaton->words; word++) {
        uint64_t moving = states[word] & moves[word];
        uint64_t stays = automaton->stays[word] | (c != '/' ? automaton->stays_in_name[word] : 0);
        uint64_t next = moving << 1 | carry.move | (states[word] & stays);
        carry.move = moving >> 63;
        states[word] = include_optional(automaton, word, next, &carry);
    }
}

bool pe_glob_match(const char *pattern, const char *path)
{
    struct automaton automaton;
    uint64_t states[WORDS_MAX] = {0};
    struct carry carry = {0};
    size_t length = strnlen(pattern, PE_GLOB_MAX + 1);
    if (length > PE_GLOB_MAX)
        return false;
    clear(&automaton, length);
    compile(&automaton, pattern);
    for (size_t word = 0; word < automaton.words; word++)
        states[word] = include_optional(&automaton, word, word == 0, &carry);
    for (; *path; path++)
        step(&automaton, (unsigned char)*path, states);
    return has(states, automaton.count);
}
