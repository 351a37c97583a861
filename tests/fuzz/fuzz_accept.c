/* SPDX-License-Identifier: Apache-2.0 */
/* The header Accept. The choice is one of the types on offer, and does not change with a range that fits
 * none of them, with upper case, or with blanks. */
#include "base/cleanup.h"
#include "lb/edge/negotiate.h"
#include "tests/fuzz/fuzz.h"

#include <ctype.h>

static int choose(const char *accept, size_t size)
{
    static const char *const types[] = {"multipart/form-data", "application/json", "application/x-cpio"};
    return negotiate_media_type(accept, size, types, 3);
}

/* The same header in another form leads to the same choice. */
static void check_form(const char *format, const char *accept, int expected)
{
    char *text = NULL;
    int size = asprintf(&text, format, accept);
    HOLDS(size >= 0);
    HOLDS(choose(text, (size_t)size) == expected);
    free(text);
}

/* A type that is refused explicitly is not chosen. */
static void check_refusal(const char *accept)
{
    char *text = NULL;
    int size = asprintf(&text, "application/json;q=0,%s", accept);
    HOLDS(size >= 0);
    HOLDS(choose(text, (size_t)size) != 1);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autofree char *accept = fuzz_text(bytes, size);
    int choice = choose(accept, size);
    HOLDS(choice >= -1 && choice < 3);
    if (size == 0 || strlen(accept) != size)
        return 0;
    check_form("%s,video/mp4;q=1", accept, choice);
    check_form("video/mp4 , %s", accept, choice);
    check_form(" \t%s \t", accept, choice);
    check_refusal(accept);
    for (char *c = accept; *c; c++)
        *c = (char)toupper((unsigned char)*c);
    HOLDS(choose(accept, size) == choice);
    return 0;
}
