/* SPDX-License-Identifier: Apache-2.0 */
/* The file pe.json of an image. What is accepted becomes a catalog entry that is the same after it was
 * encoded and decoded again. The image's user is looked up in small files of users. */
#include "base/cleanup.h"
#include "image/catalog_entry.h"
#include "proto/job_spec.h"
#include "tests/fuzz/fuzz.h"

static int make_entry(json_t *fields, struct pe_image *image, struct pe_error *err)
{
    struct flatten_result made = {
        .rootfs_bytes = 2097152,
        .digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    HOLDS(pe_buf_append_text(&made.passwd, "user:x:1000:1000::/home:/bin/sh\n", err) == 0);
    HOLDS(pe_buf_append_text(&made.group, "group:x:2000:user\n", err) == 0);
    int failed = catalog_entry_to_image(fields, &made, image, err);
    flatten_result_free(&made);
    return failed;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_buf text = {.data = (uint8_t *)(uintptr_t)bytes, .size = size};
    pe_autojson json_t *fields = json_pack("{s:s}", "name", "image:1");
    pe_autoimage struct pe_image image = {0};
    pe_autoimage struct pe_image again = {0};
    struct pe_error err = {0};
    if (catalog_entry_add_text(fields, &text, "pe.json", &err) < 0 || make_entry(fields, &image, &err) < 0) {
        HOLDS(err.kind && err.message[0]);
        return 0;
    }
    pe_autojson json_t *json = pe_image_to_json(&image);
    HOLDS(json && pe_image_from_json(json, &again, &err) == 0);
    pe_autojson json_t *json_again = pe_image_to_json(&again);
    HOLDS(json_equal(json, json_again));
    return 0;
}
