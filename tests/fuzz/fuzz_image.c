/* SPDX-License-Identifier: Apache-2.0 */
/* Catalog entries, from a store, a registration, or another host's index. An entry that is accepted is
 * the same after it was encoded and decoded again, and its default command ends with NULL. */
#include "proto/image.h"
#include "proto/job_spec.h"
#include "proto/metadata.h"
#include "tests/fuzz/fuzz.h"

static void check_command(const struct pe_image *image)
{
    static const char *const files[] = {"main.c", "folder/-x.py", "a b"};
    char **command = NULL;
    size_t count = 0;
    struct pe_error err;
    const char *directory = pe_image_default_directory(image, files, 3);
    HOLDS(directory && directory[0] == '/');
    if (pe_image_default_command(image, files, 3, &command, &count, &err) < 0)
        return;
    HOLDS(count >= 1 && command && !command[count]);
    for (size_t i = 0; i < count; i++)
        HOLDS(command[i]);
    pe_strings_free(command, count);
}

static void check_metadata(const json_t *json)
{
    pe_autojson json_t *arguments = pe_metadata_default_argv(json);
    HOLDS(pe_metadata_count_patterns(json) <= PE_PATTERNS_MAX);
    HOLDS(json_array_size(arguments) <= PE_METADATA_ARGV_MAX);
    (void)pe_metadata_accepts_file(json, "folder/main.c");
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autoimage struct pe_image image = {0};
    pe_autoimage struct pe_image again = {0};
    struct pe_error err;
    pe_autojson json_t *json = size ? json_loadb((const char *)bytes, size, 0, NULL) : NULL;
    if (!json || pe_image_from_json(json, &image, &err) < 0)
        return 0;
    check_command(&image);
    pe_autojson json_t *encoded = pe_image_to_json(&image);
    HOLDS(encoded);
    check_metadata(encoded);
    HOLDS(pe_image_from_json(encoded, &again, &err) == 0);
    pe_autojson json_t *encoded_again = pe_image_to_json(&again);
    HOLDS(json_equal(encoded, encoded_again));
    return 0;
}
