/* SPDX-License-Identifier: Apache-2.0 */
/* Names of files. A name that is sent as a part of a form arrives unchanged, whatever its bytes are.
 * What is accepted as a path has the properties that proto/path.h promises. */
#include "base/cleanup.h"
#include "codec/multipart.h"
#include "proto/path.h"
#include "tests/fuzz/fuzz.h"

#include <stdbool.h>

#define TYPE "multipart/form-data; boundary=b"

/* Send a name, and read it. Returns false if it was refused. */
static bool travel(const char *name, size_t size, struct pe_form_part *part)
{
    pe_autobuf struct pe_buf body = {0};
    struct pe_error err;
    struct pe_form form;
    HOLDS(pe_form_append_head(&body, "b", "file", name, size, "text/plain", &err) == 0);
    HOLDS(pe_buf_append_text(&body, "content\r\n", &err) == 0 && pe_form_append_end(&body, "b", &err) == 0);
    HOLDS(pe_form_init(&form, TYPE, strlen(TYPE), body.data, body.size, &err) == 0);
    int got = pe_form_next(&form, part, &err);
    if (got < 0)
        return false;
    HOLDS(got > 0 && part->size == 7 && !strcmp(part->name, "file"));
    struct pe_form_part none;
    HOLDS(pe_form_next(&form, &none, &err) == 0);
    return true;
}

static void check_travel(const char *name, size_t size)
{
    struct pe_form_part part;
    bool arrived = travel(name, size, &part);
    HOLDS(arrived == (size < sizeof part.filename && !memchr(name, '\0', size)));
    if (arrived)
        HOLDS(part.has_filename && part.filename_length == size && !memcmp(part.filename, name, size));
}

static void check_component(const char *name, size_t size)
{
    HOLDS(size >= 1 && size <= PE_PATH_COMPONENT_MAX);
    HOLDS(!(size == 1 && name[0] == '.') && !(size == 2 && name[0] == '.' && name[1] == '.'));
}

static void check_path(const struct pe_path *path, int from_client)
{
    size_t depth = 0;
    HOLDS(path->length && path->length <= PE_PATH_MAX && strlen(path->text) == path->length);
    for (const char *at = path->text;; at++) {
        size_t size = strcspn(at, "/");
        check_component(at, size);
        depth++;
        at += size;
        if (!*at)
            break;
    }
    HOLDS(depth <= PE_PATH_DEPTH_MAX);
    for (size_t i = 0; from_client && i < path->length; i++)
        HOLDS((unsigned char)path->text[i] >= 0x20 && path->text[i] != 0x7f);
}

static void check_argument(const struct pe_path *path)
{
    char text[PE_PATH_ARGUMENT_SIZE];
    const char *argument = pe_path_as_argument(path->text, text);
    HOLDS(!strchr("-+@", *argument));
    HOLDS(argument == path->text || (!strncmp(argument, "./", 2) && !strcmp(argument + 2, path->text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_path path;
    struct pe_error err;
    pe_autofree char *name = fuzz_text(bytes, size);
    check_travel(name, size);
    for (int from_client = 0; from_client < 2; from_client++) {
        if (pe_path_parse(name, size, from_client, &path, &err) < 0)
            continue;
        HOLDS(path.length == size && !memcmp(path.text, name, size));
        check_path(&path, from_client);
        check_argument(&path);
    }
    return 0;
}
