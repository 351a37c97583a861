/* Reading Accept. A malformed range counts as absent, as most servers do: it must not break a client. */
#include "lb/edge/negotiate.h"

#include <string.h>
#include <strings.h>

const char *const result_media_types[RESULT_FORMATS] = {
    "multipart/form-data",
    "application/json",
    "application/x-cpio",
};

/* How well a range describes each format: 0 not at all, 1 for any type, 2 for its type with any subtype, 3
 * exactly. The best description decides, so that "a/b;q=0, *" refuses a/b. */
struct choice {
    int specificity[RESULT_FORMATS];
    int quality[RESULT_FORMATS]; /* thousandths */
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

/* "0.5" as 500; -1 for what is no qvalue. */
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

/* Cut the piece up to `delimiter` off the front. */
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
    for (int format = 0; format < RESULT_FORMATS; format++) {
        int fit = specificity(range, size, result_media_types[format]);
        if (fit > choice->specificity[format]) {
            choice->specificity[format] = fit;
            choice->quality[format] = quality;
        }
    }
}

enum result_format negotiate_format(const char *accept, size_t size)
{
    struct choice choice = {0};
    size_t left = size;
    while (left) {
        size_t range_size = 0;
        const char *range = read_piece(&accept, &left, ',', &range_size);
        consider_range(&choice, range, range_size);
    }
    if (size == 0)
        return RESULT_MULTIPART;
    enum result_format best = RESULT_FORMATS;
    for (int format = 0; format < RESULT_FORMATS; format++)
        if (choice.quality[format] > (best == RESULT_FORMATS ? 0 : choice.quality[best]))
            best = (enum result_format)format;
    return best;
}
