/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the file of --host-images. */
#include "lb/api/host_images.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"
#include "proto/image_reference.h"
#include "proto/job_spec.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX = 256 * 1024, URL_MAX = 2000 };

static bool is_url(const char *text)
{
    return strlen(text) <= URL_MAX && (!strncmp(text, "http://", 7) || !strncmp(text, "https://", 8));
}

static int check_name(const char *text, struct pe_error *err)
{
    char name[PE_IMAGE_NAME_MAX + 1];
    const char *at = strchr(text, '@');
    const size_t size = at ? (size_t)(at - text) : strlen(text);
    if (size >= sizeof name)
        return pe_fail(err, PE_ERR_INVALID, "the name of an image is too long");
    memcpy(name, text, size);
    name[size] = '\0';
    if (at && !pe_sha256_digest_valid(at + 1))
        return pe_fail(err, PE_ERR_INVALID, "'%.100s' is no digest: expected sha256: and 64 hex digits",
                       at + 1);
    if (!pe_image_reference_valid(name) || !strchr(name, ':'))
        return pe_fail(err, PE_ERR_INVALID,
                       "'%.100s' is no image: expected NAME:TAG or NAME:TAG@sha256:DIGEST", text);
    return 0;
}

static int add_line(json_t **store, json_t *names, char *line, struct pe_error *err)
{
    size_t size = strcspn(line, "#\r");
    while (size && isspace((unsigned char)line[size - 1]))
        size--;
    line[size] = '\0';
    line += strspn(line, " \t");
    if (!*line)
        return 0;
    if (*store) {
        if (check_name(line, err) < 0)
            return -1;
        return json_array_append_new(names, json_string(line)) < 0
                   ? pe_fail(err, PE_ERR_INTERNAL, "out of memory for the names of images")
                   : 0;
    }
    if (!is_url(line))
        return pe_fail(err, PE_ERR_INVALID,
                       "the first line must be the URL of an image store, as in https://host/images");
    *store = json_string(line);
    return *store ? 0 : pe_fail(err, PE_ERR_INVALID, "the URL is not UTF-8");
}

static int parse(char *text, json_t **store, json_t *names, struct pe_error *err)
{
    unsigned number = 1;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"), number++)
        if (add_line(store, names, line, err) < 0)
            return pe_fail_context(err, "line %u", number);
    return *store ? 0 : pe_fail(err, PE_ERR_INVALID, "it has no URL of an image store");
}

int host_images_read(struct host_images *images, const char *file, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, file, FILE_MAX, &text, err) < 0 || pe_buf_append(&text, "", 1, err) < 0)
        return pe_fail_context(err, "--host-images");
    pe_autojson json_t *store = NULL;
    pe_autojson json_t *names = json_array();
    if (parse((char *)text.data, &store, names, err) < 0)
        return pe_fail_context(err, "--host-images %s", file);
    json_t *json = json_pack("{s:O, s:O}", "store", store, "names", names);
    if (!json)
        return pe_fail(err, PE_ERR_INTERNAL, "out of memory for --host-images");
    json_decref(images->json);
    images->json = json;
    return 0;
}
