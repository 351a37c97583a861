/* SPDX-License-Identifier: Apache-2.0 */
/* Which relative paths are accepted as names of files. */
#include "proto/path.h"
#include "tests/unit/check.h"

#include <stdlib.h>

static int parse(const char *bytes, size_t length, int from_client, struct pe_error *err)
{
    struct pe_path path;
    return pe_path_parse(bytes, length, from_client, &path, err);
}

static void refused(const char *bytes, size_t length, const char *why)
{
    struct pe_error err;
    assert_int_equal(parse(bytes, length, 1, &err), -1);
    assert_error(err, PE_ERR_INVALID, why);
}

static void an_ordinary_relative_path_is_kept_as_it_is(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_path path;
    const char *text = "src/..hidden/na me\xc3\xa9.c";
    assert_int_equal(pe_path_parse(text, strlen(text), 1, &path, &err), 0);
    assert_string_equal(path.text, text);
    assert_int_equal(path.length, strlen(text));
}

static void paths_that_could_leave_their_directory_are_refused(void **state)
{
    (void)state;
    refused("/etc/passwd", 11, "is absolute");
    refused("..", 2, "'..' component");
    refused("a/../b", 6, "'..' component");
    refused("a/..", 4, "'..' component");
    refused("./a", 3, "'.' component");
    refused("a//b", 4, "empty component");
    refused("a/", 2, "empty component");
    refused("", 0, "is empty");
}

static void a_nul_byte_is_refused_wherever_it_stands(void **state)
{
    (void)state;
    refused("a\0b", 3, "NUL");
    refused("\0", 1, "NUL");
}

static void control_characters_are_refused_from_clients_only(void **state)
{
    (void)state;
    struct pe_error err;
    refused("a\nb", 3, "control character");
    assert_int_equal(parse("a\nb", 3, 0, &err), 0);
}

static void lengths_are_bounded(void **state)
{
    (void)state;
    struct pe_error err;
    char name[PE_PATH_MAX + 2];
    memset(name, 'a', sizeof name);
    assert_int_equal(parse(name, 255, 1, &err), 0);
    refused(name, 256, "255 bytes");
    refused(name, PE_PATH_MAX + 1, "1024 bytes");
    for (size_t i = 1; i < 80; i += 2)
        name[i] = '/';
    assert_int_equal(parse(name, 63, 1, &err), 0);
    refused(name, 65, "32 levels");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_ordinary_relative_path_is_kept_as_it_is),
        cmocka_unit_test(paths_that_could_leave_their_directory_are_refused),
        cmocka_unit_test(a_nul_byte_is_refused_wherever_it_stands),
        cmocka_unit_test(control_characters_are_refused_from_clients_only),
        cmocka_unit_test(lengths_are_bounded),
    };
    return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
