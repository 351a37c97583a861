/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the first line that differs, and quoting it. What counts is decided by proto/expect.h, as in the
 * service. */
#include "cli/case_compare.h"

#include "base/utf8.h"
#include "proto/path.h"

#include <stdio.h>
#include <string.h>

#define SHOWN_BYTES 60u  /* of a line */
#define SHOWN_BEFORE 20u /* of them in front of the difference */

/* ---- lines ---- */

/* One line of a text. */
struct line {
    struct pe_cursor bytes; /* without its end */
    bool exists;            /* the text has not ended before */
    bool is_ended;          /* by "\n" */
};

static struct line next_line(struct pe_cursor *text)
{
    struct line line = {.exists = text->left > 0};
    if (!line.exists)
        return line;
    const uint8_t *end = memchr(text->at, '\n', text->left);
    line.is_ended = end != NULL;
    line.bytes = (struct pe_cursor){.at = text->at, .left = end ? (size_t)(end - text->at) : text->left};
    (void)pe_cursor_read(text, line.bytes.left + (end ? 1 : 0));
    return line;
}

static size_t common_size(const struct pe_cursor *left, const struct pe_cursor *right)
{
    size_t size = 0;
    while (size < left->left && size < right->left && left->at[size] == right->at[size])
        size++;
    return size;
}

/* The ends of lines matter only in the last line: elsewhere, the next line differs. */
static bool is_equal(const struct line *left, const struct line *right, bool is_last)
{
    return left->exists == right->exists && (!is_last || left->is_ended == right->is_ended) &&
           left->bytes.left == right->bytes.left &&
           common_size(&left->bytes, &right->bytes) == left->bytes.left;
}

/* ---- texts ---- */

/* No character is cut in two. */
static size_t character_begin(const struct pe_cursor *line, size_t at)
{
    while (at > 0 && at < line->left && (line->at[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* The part of a line around byte `at`, in quotes. */
static const char *quote(const struct pe_cursor *line, size_t at, char text[SHOWN_BYTES + 16])
{
    char shown[SHOWN_BYTES + 1];
    size_t begin = at > 2 * SHOWN_BEFORE ? character_begin(line, at - SHOWN_BEFORE) : 0;
    size_t size = line->left - begin;
    bool is_cut = size > SHOWN_BYTES;
    if (is_cut) {
        size = SHOWN_BYTES;
        size -= pe_utf8_unfinished_size(line->at + begin, size);
    }
    pe_path_printable(size ? (const char *)line->at + begin : "", size, shown, sizeof shown);
    snprintf(text, SHOWN_BYTES + 16, "%s\"%s\"%s", begin ? "…" : "", shown, is_cut ? "…" : "");
    return text;
}

static void describe(size_t number, const struct line *expected, const struct line *output,
                     char note[CASE_NOTE_SIZE])
{
    char left[SHOWN_BYTES + 16], right[SHOWN_BYTES + 16];
    size_t at = common_size(&expected->bytes, &output->bytes);
    bool is_same =
        expected->exists && output->exists && at == expected->bytes.left && at == output->bytes.left;
    if (is_same)
        snprintf(note, CASE_NOTE_SIZE, "line %zu: the end of the line was %s", number,
                 expected->is_ended ? "expected, but is missing" : "printed, but not expected");
    else if (!output->exists)
        snprintf(note, CASE_NOTE_SIZE, "line %zu: %s was expected, but the output ends before it", number,
                 quote(&expected->bytes, at, left));
    else if (!expected->exists)
        snprintf(note, CASE_NOTE_SIZE, "line %zu: the end was expected, but %s was printed", number,
                 quote(&output->bytes, at, right));
    else
        snprintf(note, CASE_NOTE_SIZE, "line %zu: %s was expected, but %s was printed", number,
                 quote(&expected->bytes, at, left), quote(&output->bytes, at, right));
}

/* ---- comparing ---- */

static void find(struct pe_cursor expected, struct pe_cursor output, bool is_cut, char note[CASE_NOTE_SIZE])
{
    for (size_t number = 1; expected.left || output.left; number++) {
        struct line left = next_line(&expected), right = next_line(&output);
        if (is_cut && !output.left)
            return;
        if (!is_equal(&left, &right, !expected.left && !output.left)) {
            describe(number, &left, &right, note);
            return;
        }
    }
}

static int as_compared(enum pe_expect_compare how, const struct pe_cursor *bytes, struct pe_buf *out,
                       struct pe_error *err)
{
    pe_autoexpect struct pe_expect expect = {0};
    pe_expect_begin(&expect, how);
    return pe_expect_add(&expect, bytes->at, bytes->left, out, err);
}

int case_compare(enum pe_expect_compare how, struct pe_cursor expected, struct pe_cursor output, bool is_cut,
                 char note[CASE_NOTE_SIZE], struct pe_error *err)
{
    pe_autobuf struct pe_buf left = {0}, right = {0};
    note[0] = '\0';
    if (as_compared(how, &expected, &left, err) < 0 || as_compared(how, &output, &right, err) < 0)
        return -1;
    find((struct pe_cursor){.at = left.data, .left = left.size},
         (struct pe_cursor){.at = right.data, .left = right.size}, is_cut, note);
    return 0;
}
