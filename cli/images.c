/* SPDX-License-Identifier: Apache-2.0 */
/* pe-run images: get the catalog, filter it, and print it. */
#include "cli/images.h"

#include "base/cleanup.h"
#include "base/home.h"
#include "base/options.h"
#include "cli/exit.h"
#include "cli/http.h"
#include "cli/profile.h"
#include "cli/response.h"
#include "codec/json_list.h"
#include "proto/job_spec.h"
#include "proto/metadata.h"
#include "proto/path.h"
#include "store/store.h"

#include <curl/curl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define GET_TIMEOUT_MS 10000L
#define GAP 2 /* spaces between two columns of the table */

struct images_options {
    struct profile_choice choice;
    const char *file;
    bool json, quiet;
    const char *pattern; /* NULL: list all images */
};

static int parse(int argc, char **argv, struct images_options *options, struct pe_error *err)
{
    const struct pe_option table[] = {
        PROFILE_OPTIONS(&options->choice),
        {"file", 'f', "FILE", "only images that accept a file of this name", PE_OPTION_TEXT, &options->file},
        {"json", 0, NULL, "print the catalog entries as a JSON array", PE_OPTION_FLAG, &options->json},
        {"quiet", 'q', NULL, "print only the names, one per line", PE_OPTION_FLAG, &options->quiet},
        {0}};
    const struct pe_program program = {
        .name = "pe-run images",
        .usage = "[options] [PATTERN]",
        .about = "List the images of a server or, without a server, of this machine.",
        .options = table,
        .epilogue = "PATTERN is part of a name, or a category. With *, ? or [ it must match the\n"
                    "whole name."};
    int rest = 0;
    if (pe_options_parse(&program, argc, argv, false, &rest, err) < 0)
        return -1;
    options->pattern = rest < argc ? argv[rest++] : NULL;
    if (rest < argc)
        return pe_fail(err, PE_ERR_INVALID, "unexpected argument '%s'; see pe-run images --help", argv[rest]);
    if (options->json && options->quiet)
        return pe_fail(err, PE_ERR_INVALID, "--json and --quiet exclude each other");
    return 0;
}

/* ---- getting the list ---- */

static json_t *read_list(const struct http_reply *reply, struct pe_error *err)
{
    if (response_check(reply, "application/json", err) < 0)
        return NULL;
    pe_autojson json_t *reply_json = http_read_json(reply->body.data, reply->body.size, 0);
    json_t *images = json_object_get(reply_json, "images");
    if (!json_is_array(images)) {
        pe_fail(err, PE_ERR_MALFORMED, "the server's reply is not a list of images");
        return NULL;
    }
    return json_incref(images);
}

static json_t *ask_server(const struct profile *profile, const struct images_options *options,
                          struct pe_error *err)
{
    const struct http_server server = {.url = profile->server,
                                       .token = profile->token,
                                       .ca = profile->ca,
                                       .cert = profile->cert,
                                       .key = profile->key};
    http_autoreply struct http_reply reply = {0};
    pe_autofree char *path = NULL;
    char *escaped = options->file ? curl_easy_escape(NULL, options->file, 0) : NULL;
    int n = asprintf(&path, "/v1/images%s%s", escaped ? "?file=" : "", escaped ? escaped : "");
    curl_free(escaped);
    if (n < 0 || (options->file && !escaped)) {
        pe_fail(err, PE_ERR_INTERNAL, "out of memory");
        return NULL;
    }
    return http_get(&server, path, GET_TIMEOUT_MS, &reply, err) < 0 ? NULL : read_list(&reply, err);
}

static json_t *read_store(const struct images_options *options, struct pe_error *err)
{
    char store[PATH_MAX];
    pe_autostoreimages struct pe_store_images images = {0};
    if (pe_home_path("images", store, sizeof store, err) < 0 || pe_store_list(store, &images, err) < 0)
        return NULL;
    json_t *list = json_array();
    for (size_t i = 0; i < images.count; i++) {
        pe_autojson json_t *image = pe_image_to_json(&images.items[i]);
        if (!image || !options->file || pe_metadata_accepts_file(image, options->file))
            pe_json_list_add(&list, json_incref(image));
    }
    if (!list)
        pe_fail(err, PE_ERR_INTERNAL, "out of memory for the list of images");
    return list;
}

/* ---- filtering ---- */

static const char *text_of(const json_t *image, const char *key)
{
    const char *text = json_string_value(json_object_get(image, key));
    return text ? text : "";
}

static bool has_category(const json_t *image, const char *wanted)
{
    size_t i;
    const json_t *category;
    json_array_foreach(json_object_get(image, "categories"), i, category)
    {
        const char *name = json_string_value(category);
        if (name && !strcmp(name, wanted))
            return true;
    }
    return false;
}

static bool matches(const json_t *image, const char *pattern)
{
    const char *name = text_of(image, "name");
    if (!pattern)
        return true;
    if (strpbrk(pattern, "*?["))
        return fnmatch(pattern, name, 0) == 0;
    return strstr(name, pattern) || has_category(image, pattern);
}

static void filter(json_t *images, const char *pattern)
{
    for (size_t i = json_array_size(images); i-- > 0;)
        if (!matches(json_array_get(images, i), pattern))
            json_array_remove(images, i);
}

/* ---- printing ---- */

/* One line of the table. The texts are untrusted, so control characters are replaced. */
struct row {
    char name[300], description[512], categories[256];
};

static void print_into(char *text, size_t size, const char *from)
{
    pe_path_printable(from, strlen(from), text, size);
}

static void fill_row(struct row *row, const json_t *image)
{
    size_t i;
    const json_t *category;
    char joined[256] = "";
    print_into(row->name, sizeof row->name, text_of(image, "name"));
    print_into(row->description, sizeof row->description, text_of(image, "description"));
    json_array_foreach(json_object_get(image, "categories"), i, category)
    {
        const char *name = json_string_value(category);
        size_t used = strlen(joined);
        snprintf(joined + used, sizeof joined - used, "%s%s", used ? ", " : "", name ? name : "?");
    }
    print_into(row->categories, sizeof row->categories, joined);
}

/* The number of characters of a UTF-8 text. */
static int width(const char *text)
{
    int columns = 0;
    for (; *text; text++)
        columns += (*text & 0xc0) != 0x80;
    return columns;
}

static void print_cell(const char *text, int columns)
{
    int left = columns;
    const char *end = text;
    while (*end && (left > 0 || (*end & 0xc0) == 0x80))
        left -= (*end++ & 0xc0) != 0x80;
    printf("%.*s%*s", (int)(end - text), text, left > 0 ? left : 0, "");
}

/* The width of the description column: as wide as the terminal allows, or `widest` when there is no
 * terminal. */
static int description_columns(int widest, int others)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        return widest;
    int room = size.ws_col - others - 2 * GAP;
    return widest < room || room < 20 ? widest : room;
}

static int print_table(const json_t *images, struct pe_error *err)
{
    size_t count = json_array_size(images);
    int names = width("NAME"), descriptions = width("DESCRIPTION"), categories = width("CATEGORIES");
    pe_autofree struct row *rows = calloc(count + 1, sizeof *rows);
    if (!rows)
        return pe_fail_errno(err, "out of memory for the table of images");
    for (size_t i = 0; i < count; i++) {
        struct row *row = &rows[i];
        fill_row(row, json_array_get(images, i));
        names = width(row->name) > names ? width(row->name) : names;
        descriptions = width(row->description) > descriptions ? width(row->description) : descriptions;
        categories = width(row->categories) > categories ? width(row->categories) : categories;
    }
    descriptions = description_columns(descriptions, names + categories);
    printf("%-*s%-*s%s\n", names + GAP, "NAME", descriptions + GAP, "DESCRIPTION", "CATEGORIES");
    for (size_t i = 0; i < count; i++) {
        print_cell(rows[i].name, names + GAP);
        print_cell(rows[i].description, descriptions);
        printf("%*s%s\n", *rows[i].categories ? GAP : 0, "", rows[i].categories);
    }
    return 0;
}

static int print_names(const json_t *images)
{
    for (size_t i = 0; i < json_array_size(images); i++) {
        struct row row;
        fill_row(&row, json_array_get(images, i));
        puts(row.name);
    }
    return 0;
}

static int show(const json_t *images, const struct images_options *options, struct pe_error *err)
{
    int failed = options->quiet  ? print_names(images)
                 : options->json ? json_dumpf(images, stdout, JSON_INDENT(2)) < 0 || putchar('\n') == EOF
                 : json_array_size(images) ? print_table(images, err)
                                           : 0;
    if (failed < 0)
        return -1;
    return failed || fflush(stdout) ? pe_fail_errno(err, "cannot write to standard output") : 0;
}

static int fail(const struct pe_error *err, int code)
{
    fprintf(stderr, "pe-run: %s\n", err->message);
    return code;
}

int images_command(int argc, char **argv)
{
    struct pe_error err;
    struct images_options options = {0};
    __attribute__((cleanup(profile_free))) struct profile profile = {0};
    if (parse(argc, argv, &options, &err) < 0)
        return fail(&err, EXIT_USAGE);
    if (profile_choose(&options.choice, &profile, &err) < 0)
        return fail(&err, exit_code_of_profile(&err));
    pe_autojson json_t *images =
        profile.server ? ask_server(&profile, &options, &err) : read_store(&options, &err);
    if (!images)
        return fail(&err, exit_code_of_failure(&err, false));
    filter(images, options.pattern);
    if (show(images, &options, &err) < 0)
        return fail(&err, EXIT_SERVICE);
    if (json_array_size(images) > 0)
        return 0;
    pe_fail(&err, PE_ERR_NOT_FOUND, "there is no %simage; without arguments `pe-run images` lists all",
            options.pattern || options.file ? "such " : "");
    return fail(&err, EXIT_NO_IMAGE);
}
