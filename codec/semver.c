/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing versions and ranges. A range is a list of sets of bounds, divided by "||". A version is
 * in the range if it keeps all bounds of one set. Abbreviations such as "^1.2" are expanded to two
 * bounds. */
#include "codec/semver.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 15 }; /* of a number. npm keeps numbers in doubles, which hold 15 digits exactly. */

enum relation { LESS, AT_MOST, EQUAL, AT_LEAST, GREATER };

/* A version whose last numbers may be missing or 'x'. */
struct partial {
    struct pe_semver version;
    int given; /* 0..3 numbers */
};

/* ---- versions ---- */

static bool is_identifier(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '.';
}

static bool parse_number(const char **at, uint64_t *number)
{
    size_t digits = strspn(*at, "0123456789");
    if (digits == 0 || digits > DIGITS_MAX || (digits > 1 && **at == '0'))
        return false;
    *number = strtoull(*at, NULL, 10);
    *at += digits;
    return true;
}

/* Whether each of the identifiers has a character. In a prerelease, numbers have no 0 in front
 * (semver.org, 9 and 10): otherwise different texts would have the same precedence. */
static bool are_identifiers(const char *at, size_t size, bool prerelease)
{
    for (const char *end = at + size; at <= end;) {
        size_t length = strcspn(at, ".");
        length = length < (size_t)(end - at) ? length : (size_t)(end - at);
        bool is_number = strspn(at, "0123456789") >= length;
        if (length == 0 || (prerelease && is_number && length > 1 && *at == '0'))
            return false;
        at += length + 1;
    }
    return true;
}

/* Parse "-alpha.1", the prerelease, or "+build", which does not affect the order. */
static bool parse_identifiers(const char **at, char *kept)
{
    size_t size = 0;
    ++*at;
    while (is_identifier((*at)[size]))
        size++;
    if (size >= PE_SEMVER_TEXT_MAX || !are_identifiers(*at, size, kept != NULL))
        return false;
    if (kept) {
        memcpy(kept, *at, size);
        kept[size] = '\0';
    }
    *at += size;
    return true;
}

static bool parse_partial(const char **at, struct partial *partial)
{
    *partial = (struct partial){0};
    bool wild = false;
    *at += **at == 'v' || **at == '=';
    for (int i = 0; i < 3; i++) {
        if (i > 0 && *(*at)++ != '.')
            return false;
        if (**at == 'x' || **at == 'X' || **at == '*') {
            wild = true;
            ++*at;
        } else if (!parse_number(at, &partial->version.part[i])) {
            return false;
        } else if (!wild) {
            partial->given = i + 1;
        }
        if (**at != '.')
            break;
    }
    for (int i = partial->given; i < 3; i++)
        partial->version.part[i] = 0;
    if (**at == '-' && (partial->given < 3 || !parse_identifiers(at, partial->version.prerelease)))
        return false;
    return **at != '+' || (partial->given == 3 && parse_identifiers(at, NULL));
}

bool pe_semver_parse(const char *text, struct pe_semver *version)
{
    struct partial partial;
    if (strlen(text) >= PE_SEMVER_TEXT_MAX || !parse_partial(&text, &partial) || *text || partial.given < 3)
        return false;
    *version = partial.version;
    return true;
}

/* Compare one identifier of two prereleases. Numbers are compared by value and are lower than
 * names; names are compared by their bytes. */
static int compare_identifiers(const char *a, size_t a_size, const char *b, size_t b_size)
{
    bool a_number = strspn(a, "0123456789") >= a_size, b_number = strspn(b, "0123456789") >= b_size;
    if (a_number != b_number)
        return a_number ? -1 : 1;
    if (a_number && a_size != b_size)
        return a_size < b_size ? -1 : 1;
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

static int compare_prereleases(const char *a, const char *b)
{
    if (!*a || !*b)
        return (*b != '\0') - (*a != '\0');
    while (*a && *b) {
        size_t a_size = strcspn(a, "."), b_size = strcspn(b, ".");
        int order = compare_identifiers(a, a_size, b, b_size);
        if (order)
            return order;
        a += a_size + (a[a_size] == '.');
        b += b_size + (b[b_size] == '.');
    }
    return (*a != '\0') - (*b != '\0');
}

int pe_semver_compare(const struct pe_semver *a, const struct pe_semver *b)
{
    for (int i = 0; i < 3; i++)
        if (a->part[i] != b->part[i])
            return a->part[i] < b->part[i] ? -1 : 1;
    return compare_prereleases(a->prerelease, b->prerelease);
}

/* ---- bounds ---- */

/* The result of comparing a version with a set of bounds. */
struct verdict {
    const struct pe_semver *version;
    bool holds;
    bool names_prerelease; /* of the same three numbers as the version */
};

static void bound(struct verdict *verdict, enum relation relation, const struct pe_semver *limit)
{
    int order = pe_semver_compare(verdict->version, limit);
    const bool fits[] = {
        [LESS] = order<
            0, [AT_MOST] = order <= 0, [EQUAL] = order == 0, [AT_LEAST] = order >= 0, [GREATER] = order> 0};
    verdict->holds &= fits[relation];
    verdict->names_prerelease |=
        *limit->prerelease && !memcmp(limit->part, verdict->version->part, sizeof limit->part);
}

/* The lowest version above all that have the same first `numbers` numbers as `version`. */
static struct pe_semver next_after(const struct pe_semver *version, int numbers)
{
    struct pe_semver next = {0};
    for (int i = 0; i < numbers; i++)
        next.part[i] = version->part[i];
    next.part[numbers - 1]++;
    return next;
}

static void bound_below(struct verdict *verdict, const struct pe_semver *version, int numbers)
{
    struct pe_semver next = next_after(version, numbers);
    bound(verdict, LESS, &next);
}

/* Bound to the versions that have the same numbers, as far as they are given. */
static void bound_alike(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given == 3) {
        bound(verdict, EQUAL, &partial->version);
    } else if (partial->given > 0) {
        bound(verdict, AT_LEAST, &partial->version);
        bound_below(verdict, &partial->version, partial->given);
    }
}

static void bound_caret(struct verdict *verdict, const struct partial *partial)
{
    int fixed = 1; /* the numbers up to the first one that is not 0 */
    while (fixed < partial->given && partial->version.part[fixed - 1] == 0)
        fixed++;
    if (partial->given == 0)
        return;
    bound(verdict, AT_LEAST, &partial->version);
    bound_below(verdict, &partial->version, fixed);
}

static void bound_tilde(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given == 0)
        return;
    bound(verdict, AT_LEAST, &partial->version);
    bound_below(verdict, &partial->version, partial->given < 2 ? 1 : 2);
}

static void bound_greater(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given == 3) {
        bound(verdict, GREATER, &partial->version);
    } else if (partial->given > 0) {
        struct pe_semver next = next_after(&partial->version, partial->given);
        bound(verdict, AT_LEAST, &next);
    } else {
        verdict->holds = false;
    }
}

static void bound_at_most(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given == 3)
        bound(verdict, AT_MOST, &partial->version);
    else if (partial->given > 0)
        bound_below(verdict, &partial->version, partial->given);
}

static void bound_less(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given > 0)
        bound(verdict, LESS, &partial->version);
    else
        verdict->holds = false;
}

static void bound_at_least(struct verdict *verdict, const struct partial *partial)
{
    if (partial->given > 0)
        bound(verdict, AT_LEAST, &partial->version);
}

/* ---- ranges ---- */

static const struct prefix {
    const char *text;
    void (*bound)(struct verdict *verdict, const struct partial *partial);
} prefixes[] = {
    {">=", bound_at_least}, {"<=", bound_at_most}, {">", bound_greater},
    {"<", bound_less},      {"~>", bound_tilde},   {"~", bound_tilde},
    {"^", bound_caret},     {"=", bound_alike},    {"", bound_alike},
};

static void skip_spaces(const char **at)
{
    *at += strspn(*at, " \t");
}

static bool ends_word(char c)
{
    return c == '\0' || c == ' ' || c == '\t' || c == '|';
}

static bool parse_comparator(const char **at, struct verdict *verdict)
{
    const struct prefix *prefix = prefixes;
    struct partial partial;
    while (strncmp(*at, prefix->text, strlen(prefix->text)) != 0)
        prefix++;
    *at += strlen(prefix->text);
    skip_spaces(at);
    if (!parse_partial(at, &partial) || !ends_word(**at))
        return false;
    prefix->bound(verdict, &partial);
    return true;
}

/* Parse "1.2 - 1.4", whose versions may be partial. False if the text is something else; `*at` then
 * stays. */
static bool parse_hyphen(const char **at, struct verdict *verdict)
{
    const char *here = *at;
    struct partial from, to;
    if (!parse_partial(&here, &from) || (*here != ' ' && *here != '\t'))
        return false;
    skip_spaces(&here);
    if (*here++ != '-' || (*here != ' ' && *here != '\t'))
        return false;
    skip_spaces(&here);
    if (!parse_partial(&here, &to) || !ends_word(*here))
        return false;
    bound_at_least(verdict, &from);
    bound_at_most(verdict, &to);
    *at = here;
    return true;
}

/* Parse one set of bounds, up to "||" or the end. False if it is not valid. */
static bool parse_set(const char **at, struct verdict *verdict)
{
    skip_spaces(at);
    while (**at && **at != '|') {
        if (!parse_hyphen(at, verdict) && !parse_comparator(at, verdict))
            return false;
        skip_spaces(at);
    }
    return **at != '|' || (*at)[1] == '|';
}

bool pe_semver_satisfies(const struct pe_semver *version, const char *range)
{
    bool satisfied = false;
    if (strlen(range) >= PE_SEMVER_TEXT_MAX)
        return false;
    for (;;) {
        struct verdict verdict = {.version = version, .holds = true};
        if (!parse_set(&range, &verdict))
            return false;
        satisfied |= verdict.holds && (!*version->prerelease || verdict.names_prerelease);
        if (!*range)
            return satisfied;
        range += 2;
    }
}
