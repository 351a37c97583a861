/* SPDX-License-Identifier: Apache-2.0 */
/* References to images. The first line of the input is a reference, and the others are names of images
 * that exist. What is suggested in the place of the reference does not depend on their order. */
#include "proto/image_reference.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

enum { NAMES_MAX = 8 };

static void suggest(char *const *names, size_t count, bool backwards, const char *reference, char *message,
                    size_t size)
{
    struct pe_image_suggestions suggestions = {.reference = reference};
    for (size_t i = 0; i < count; i++)
        pe_image_suggestions_add(&suggestions, names[backwards ? count - 1 - i : i]);
    HOLDS(suggestions.count <= PE_IMAGE_SUGGESTIONS_MAX);
    snprintf(message, size, "none");
    pe_image_suggestions_append(&suggestions, message, size);
    HOLDS(strlen(message) < size);
}

static void check_suggestions(char *const *names, size_t count, const char *reference)
{
    char forwards[64], backwards[64];
    suggest(names, count, false, reference, forwards, sizeof forwards);
    suggest(names, count, true, reference, backwards, sizeof backwards);
    HOLDS(!strcmp(forwards, backwards));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char digest[] = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct pe_cursor rest = {.at = bytes, .left = size};
    char *reference = fuzz_line(&rest), *names[NAMES_MAX];
    size_t count = 0;
    while (rest.left && count < NAMES_MAX) {
        names[count] = fuzz_line(&rest);
        if (pe_image_reference_valid(names[count]))
            count++;
        else
            free(names[count]);
    }
    if (pe_image_reference_valid(reference)) {
        HOLDS(strlen(reference) <= PE_IMAGE_NAME_MAX && !strstr(reference, "..") && reference[0] != '/');
        HOLDS(!strchr(reference, ':') || strchr(reference, '@') ||
              pe_image_reference_matches(reference, reference, digest));
        check_suggestions(names, count, reference);
    }
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(reference);
    return 0;
}
