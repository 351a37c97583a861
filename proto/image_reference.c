/* SPDX-License-Identifier: Apache-2.0 */
/* Image references: their grammar, matching, and suggestions for one that matches nothing. */
#include "proto/image_reference.h"

#include "codec/sha256.h"

#include <stdio.h>
#include <string.h>

enum {
    TAG_MAX = 128,       /* bytes (OCI distribution-spec, "Pulling manifests") */
    NAME_EDITS_MAX = 4,  /* a name that differs by more edits is a different name */
    TAG_EDITS_MAX = 16,  /* a tag that differs by more edits is as good as any other */
    WORK_OF_A_NAME = 64, /* of looking at a name that is then not compared */
    WORK_MAX = 2 * 1024 * 1024,
};

/* ---- grammar ---- */

/* The length of the name: what stands before the tag or digest. */
static size_t name_length(const char *reference)
{
    return strcspn(reference, ":@");
}

static bool consists_of(const char *text, size_t length, const char *set)
{
    return length > 0 && strspn(text, set) >= length;
}

static bool is_tag(const char *text)
{
    static const char set[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    size_t length = strlen(text);
    return length <= TAG_MAX && consists_of(text, length, set) && text[0] != '.' && text[0] != '-';
}

bool pe_image_reference_valid(const char *text)
{
    static const char first_set[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char name_set[] = "abcdefghijklmnopqrstuvwxyz0123456789._/-";
    size_t length = strlen(text), name = name_length(text);
    if (length == 0 || length > PE_IMAGE_NAME_MAX || strstr(text, "..") || strstr(text, "//"))
        return false;
    if (!consists_of(text, name, name_set) || !memchr(first_set, text[0], sizeof first_set - 1) ||
        text[name - 1] == '/')
        return false;
    switch (text[name]) {
    case ':':
        return is_tag(text + name + 1);
    case '@':
        return pe_sha256_digest_valid(text + name + 1);
    default:
        return true;
    }
}

/* ---- matching ---- */

bool pe_image_reference_matches(const char *reference, const char *name, const char *digest)
{
    size_t length = name_length(reference);
    if (reference[length] != '@')
        return !strcmp(reference, name);
    return !strcmp(reference + length + 1, digest) && length == name_length(name) &&
           !memcmp(reference, name, length);
}

/* ---- suggestions ---- */

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned smaller = a < b ? a : b;
    return smaller < c ? smaller : c;
}

static size_t least_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Levenshtein's distance: how many bytes must be changed, added or removed to make `a` equal to `b`, if it is
 * at most `limit`; otherwise a greater number. Bytes beyond PE_IMAGE_NAME_MAX are ignored.
 *
 * A reference is compared with the names of all images, and who sends it and who names them may be hostile.
 * So only lengths that differ by `limit` at most are looked at, which is a band of the table, and only as
 * long as some of them are near enough. */
static unsigned edit_distance(const char *a, size_t a_length, const char *b, size_t b_length, unsigned limit)
{
    unsigned row[PE_IMAGE_NAME_MAX + 1] = {0};
    const unsigned too_many = limit + 1;
    b_length = least_size(b_length, PE_IMAGE_NAME_MAX);
    for (size_t j = 0; j <= b_length; j++)
        row[j] = j <= limit ? (unsigned)j : too_many;
    for (size_t i = 1; i <= a_length; i++) {
        const size_t from = i > limit ? i - limit : 1, to = least_size(b_length, i + limit);
        if (from > b_length + 1)
            return too_many;
        unsigned diagonal = row[from - 1];
        unsigned nearest = row[from - 1] = from == 1 && i <= limit ? (unsigned)i : too_many;
        for (size_t j = from; j <= to; j++) {
            unsigned distance = least(row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = row[j];
            row[j] = least(distance, too_many, too_many);
            nearest = least(nearest, row[j], too_many);
        }
        if (nearest > limit)
            return too_many;
    }
    return row[b_length];
}

/* The greatest number of edits with which a name of this length still counts as a misspelt other
 * name. */
static unsigned edits_allowed(size_t length)
{
    unsigned half = length < 2 ? 1 : (unsigned)(length / 2);
    return half < NAME_EDITS_MAX ? half : NAME_EDITS_MAX;
}

/* The tag of a reference, or "" if it has none or a digest. */
static const char *tag_of(const char *reference)
{
    size_t length = name_length(reference);
    return reference[length] == ':' ? reference + length + 1 : "";
}

/* True if `a` is a better suggestion than `b`. Equally similar names are ordered by name, so that
 * the result does not depend on the order in which they were added. */
static bool is_better(const struct pe_image_suggestion *a, const struct pe_image_suggestion *b)
{
    if (a->name_edits != b->name_edits)
        return a->name_edits < b->name_edits;
    if (a->tag_edits != b->tag_edits)
        return a->tag_edits < b->tag_edits;
    return strcmp(a->name, b->name) < 0;
}

static void insert(struct pe_image_suggestions *suggestions, const struct pe_image_suggestion *added)
{
    struct pe_image_suggestion *items = suggestions->items;
    for (size_t i = 0; i < suggestions->count; i++)
        if (!strcmp(items[i].name, added->name))
            return;
    size_t at = suggestions->count;
    while (at > 0 && is_better(added, &items[at - 1]))
        at--;
    if (at == PE_IMAGE_SUGGESTIONS_MAX)
        return;
    if (suggestions->count < PE_IMAGE_SUGGESTIONS_MAX)
        suggestions->count++;
    memmove(&items[at + 1], &items[at], (suggestions->count - 1 - at) * sizeof *items);
    items[at] = *added;
}

bool pe_image_suggestions_are_done(const struct pe_image_suggestions *suggestions)
{
    return suggestions->work >= WORK_MAX;
}

/* At most so many distances are computed for texts of which one has this length. */
static size_t work_of(size_t length, unsigned limit)
{
    return length * (2 * (size_t)limit + 1);
}

void pe_image_suggestions_add(struct pe_image_suggestions *suggestions, const char *name)
{
    if (pe_image_suggestions_are_done(suggestions))
        return;
    const char *reference = suggestions->reference;
    size_t wanted = name_length(reference), length = name_length(name);
    unsigned allowed = edits_allowed(wanted);
    suggestions->work += WORK_OF_A_NAME;
    if ((wanted > length ? wanted - length : length - wanted) > allowed)
        return; /* the lengths alone differ by too many edits */
    suggestions->work += work_of(wanted, allowed);
    unsigned name_edits = edit_distance(reference, wanted, name, length, allowed);
    if (name_edits > allowed)
        return; /* before the tags, which may be long, are compared */
    const char *wanted_tag = tag_of(reference), *tag = tag_of(name);
    suggestions->work += work_of(strlen(wanted_tag), TAG_EDITS_MAX);
    const struct pe_image_suggestion added = {
        .name = name,
        .name_edits = name_edits,
        .tag_edits = edit_distance(wanted_tag, strlen(wanted_tag), tag, strlen(tag), TAG_EDITS_MAX),
    };
    insert(suggestions, &added);
}

void pe_image_suggestions_append(const struct pe_image_suggestions *suggestions, char *message, size_t size)
{
    size_t count = suggestions->count;
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(message);
        const char *before = i == 0 ? "; did you mean " : i + 1 < count ? ", " : " or ";
        snprintf(message + used, size - used, "%s%s%s", before, suggestions->items[i].name,
                 i + 1 == count ? "?" : "");
    }
}
