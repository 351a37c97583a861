/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing the Accept header. A malformed range is ignored, as most servers do, so that it does
 * not break a client. */
#include "lb/edge/negotiate.h"

#include <string.h>
#include <strings.h>

/* How well the ranges describe each type: 0 not at all, 1 as any type, 2 as its main type with
 * any subtype, 3 exactly. The most specific range decides, so that a type can be excluded:
 * "a/b;q=0, *". */
struct choice {
    const char *const *types;
    size_t count;
    int specificity[NEGOTIATE_TYPES_MAX];
    int quality[NEGOTIATE_TYPES_MAX]; /* thousandths */
};

static int specificity(const char *range, size_t size, const char *type)
{
    if (size == strlen(type) && !strncasecmp(range, type, size))
        return 3;
    size_t main_type = strcspn(type, "/") + 1;
    if (size == main_type + 1 && range[main_type] == '*' && !strncasecmp(range, type, main_type))
        return 2;
    return size == 3 && !memcmp(range, "*/*", 3) ? 1 : 0;
}

/* "0.5" as 500; -1 if the text is no qvalue. */
static int parse_quality(const char *text, size_t size)
{
    if (size == 0 || size > 5 || (text[0] != '0' && text[0] != '1') || (size > 1 && text[1] != '.'))
        return -1;
    int value = (text[0] - '0') * 1000;
    int unit = 100;
    for (size_t i = 2; i < size; i++, unit /= 10) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        value += (text[i] - '0') * unit;
    }
    return value > 1000 ? -1 : value;
}

static void trim(const char **text, size_t *size)
{
    while (*size && strchr(" \t", **text)) {
        ++*text;
        --*size;
    }
    while (*size && strchr(" \t", (*text)[*size - 1]))
        --*size;
}

/* Read the piece before `delimiter`, without the white space around it. */
static const char *read_piece(const char **text, size_t *left, char delimiter, size_t *size)
{
    const char *piece = *text;
    const char *end = memchr(piece, delimiter, *left);
    *size = end ? (size_t)(end - piece) : *left;
    *text += *size + (end ? 1 : 0);
    *left -= *size + (end ? 1 : 0);
    trim(&piece, size);
    return piece;
}

static void consider_range(struct choice *choice, const char *text, size_t left)
{
    size_t size = 0;
    const char *range = read_piece(&text, &left, ';', &size);
    int quality = 1000;
    while (left) {
        size_t parameter_size = 0;
        const char *parameter = read_piece(&text, &left, ';', &parameter_size);
        if (parameter_size > 2 && (parameter[0] | 0x20) == 'q' && parameter[1] == '=')
            quality = parse_quality(parameter + 2, parameter_size - 2);
    }
    if (quality < 0)
        return;
    for (size_t i = 0; i < choice->count; i++) {
        int fit = specificity(range, size, choice->types[i]);
        if (fit > choice->specificity[i]) {
            choice->specificity[i] = fit;
            choice->quality[i] = quality;
        }
    }
}

int negotiate_media_type(const char *accept, size_t size, const char *const *types, size_t count)
{
    struct choice choice = {.types = types, .count = count};
    size_t left = size;
    int best = -1;
    if (size == 0)
        return 0;
    while (left) {
        size_t range_size = 0;
        const char *range = read_piece(&accept, &left, ',', &range_size);
        consider_range(&choice, range, range_size);
    }
    for (size_t i = 0; i < count; i++)
        if (choice.quality[i] > (best < 0 ? 0 : choice.quality[best]))
            best = (int)i;
    return best;
}
