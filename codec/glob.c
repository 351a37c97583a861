/* SPDX-License-Identifier: Apache-2.0 */
/* Glob matching by dynamic programming over the positions in the pattern, so that no pattern needs
 * exponential time. */
#include "codec/glob.h"

#include <stddef.h>
#include <string.h>

/* The elements of a pattern. GLOBSTAR_SLASH is "**" and the slash behind it. */
enum element { END, LITERAL, ANY, SET, STAR, GLOBSTAR, GLOBSTAR_SLASH };

static enum element element_at(const char *pattern, const char **next)
{
    if (!*pattern)
        return END;
    *next = pattern + 1;
    if (*pattern == '*' && pattern[1] == '*') {
        *next = pattern + (pattern[2] == '/' ? 3 : 2);
        return pattern[2] == '/' ? GLOBSTAR_SLASH : GLOBSTAR;
    }
    if (*pattern == '*')
        return STAR;
    if (*pattern == '?')
        return ANY;
    if (*pattern == '\\' && pattern[1]) {
        *next = pattern + 2;
        return LITERAL;
    }
    if (*pattern == '[') {
        const char *close = strchr(pattern + 1 + (pattern[1] == '!') + 1, ']');
        if (pattern[1] && pattern[2] && close) {
            *next = close + 1;
            return SET;
        }
    }
    return LITERAL;
}

static bool set_has(const char *set, const char *end, unsigned char c)
{
    bool negated = set[1] == '!';
    bool found = false;
    for (const char *at = set + 1 + negated; at < end - 1; at++) {
        if (at + 2 < end - 1 && at[1] == '-') {
            found |= (unsigned char)at[0] <= c && c <= (unsigned char)at[2];
            at += 2;
        } else {
            found |= (unsigned char)*at == c;
        }
    }
    return found != negated;
}

static bool element_matches(enum element kind, const char *at, const char *next, char c)
{
    switch (kind) {
    case LITERAL:
        return c == (*at == '\\' && next == at + 2 ? at[1] : *at);
    case ANY:
    case STAR:
        return c != '/';
    case SET:
        return c != '/' && set_has(at, next, (unsigned char)c);
    case GLOBSTAR:
    case GLOBSTAR_SLASH:
        return true;
    case END:
        return false;
    }
    return false;
}

/* Mark position `at` as reachable, and every position that can be reached from it without a
 * character. */
static void reach(bool *states, const char *pattern, size_t at)
{
    for (;;) {
        if (states[at])
            return;
        states[at] = true;
        const char *next = NULL;
        enum element kind = element_at(pattern + at, &next);
        if (kind != STAR && kind != GLOBSTAR && kind != GLOBSTAR_SLASH)
            return;
        at = (size_t)(next - pattern);
    }
}

bool pe_glob_match(const char *pattern, const char *path)
{
    size_t length = strlen(pattern);
    if (length > PE_GLOB_MAX)
        return false;
    bool now[PE_GLOB_MAX + 1] = {false};
    reach(now, pattern, 0);
    for (const char *c = path; *c; c++) {
        bool then[PE_GLOB_MAX + 1] = {false};
        for (size_t at = 0; at < length; at++) {
            const char *next = NULL;
            enum element kind = now[at] ? element_at(pattern + at, &next) : END;
            if (kind == END || !element_matches(kind, pattern + at, next, *c))
                continue;
            size_t after = (size_t)(next - pattern);
            if (kind == STAR || kind == GLOBSTAR)
                reach(then, pattern, at);
            else if (kind == GLOBSTAR_SLASH) /* it matches more, or a '/' ends it */
                then[at] = true, *c == '/' ? reach(then, pattern, after) : (void)0;
            else
                reach(then, pattern, after);
        }
        memcpy(now, then, sizeof now);
    }
    return now[length];
}
