/* SPDX-License-Identifier: Apache-2.0 */
/* Catalog entries, and default commands for given files. */
#include "proto/image.h"
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"

#include "proto/job_spec.h"
#include "proto/metadata.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static int load(const char *json, struct pe_image *image, struct pe_error *err)
{
    pe_autojson json_t *parsed = json_loads(json, 0, NULL);
    assert_non_null(parsed);
    return pe_image_from_json(parsed, image, err);
}

static void a_default_command_takes_the_files_that_match(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    const char *const files[] = {"main.c", "util.h", "sub/part.c"};
    char **cmd = NULL;
    size_t count = 0;
    assert_int_equal(load("{\"name\":\"gcc:14\",\"digest\":\"" DIGEST
                          "\",\"default_cmd\":[\"cc\",\"{files:**.c}\",\"-o\",\"x\"]}",
                          &image, &err),
                     0);
    assert_int_equal(pe_image_default_command(&image, files, 3, &cmd, &count, &err), 0);
    assert_int_equal(count, 5);
    assert_string_equal(cmd[1], "main.c");
    assert_string_equal(cmd[2], "sub/part.c");
    assert_string_equal(cmd[4], "x");
    assert_null(cmd[5]);
    pe_strings_free(cmd, count);
    assert_int_equal(pe_image_default_command(&image, files + 1, 1, &cmd, &count, &err), -1);
    assert_error(err, PE_ERR_INVALID, "**.c");
}

static void an_image_without_a_default_command_says_so(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    char **cmd = NULL;
    size_t count = 0;
    assert_int_equal(load("{\"name\":\"a:1\",\"digest\":\"" DIGEST "\"}", &image, &err), 0);
    assert_int_equal(pe_image_default_command(&image, NULL, 0, &cmd, &count, &err), -1);
    assert_error(err, PE_ERR_INVALID, "a:1 has no default command");
}

static void entries_out_of_form_name_the_field(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text_part;
    } cases[] = {
        {"[]", "'name'"},
        {"{\"name\":\"a:1\"}", "'digest'"},
        {"{\"name\":\"a\",\"digest\":\"" DIGEST "\"}", "'name' must be name:tag"},
        {"{\"name\":\"a:1\",\"digest\":\"sha256:12\"}", "'digest' must be"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"env\":[\"=x\"]}", "'env'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"default_cmd\":\"x\"}", "'default_cmd'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"root\":\"../x\"}", "'root'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"root\":\"a/b\"}", "'root'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"user\":\"root\"}", "'user'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"user\":{\"uid\":-1}}", "'user.uid'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"commands\":[{\"cmd\":[\"x\"]}]}", "'files'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"commands\":[{\"files\":\"*\"}]}", "'commands'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"warmup\":\"x\"}", "'warmup'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"inputs\":[1]}", "'inputs'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pe_error err;
        pe_autoimage struct pe_image image;
        assert_int_equal(load(cases[i].json, &image, &err), -1);
        assert_error(err, PE_ERR_MALFORMED, cases[i].text_part);
    }
}

static const char with_everything[] =
    "{\"name\":\"gcc:14\",\"digest\":\"" DIGEST
    "\",\"description\":\"d\",\"working_dir\":\"/w\",\"root\":\"gcc-14\","
    "\"architecture\":\"amd64\",\"stop_signal\":\"SIGINT\",\"entrypoint\":[\"e\"],\"cmd\":[\"c\"],\"warmup\":"
    "[\"w\"],"
    "\"env\":[\"A=b\"],\"rootfs_bytes\":5,\"user\":{\"name\":\"web\",\"uid\":33,\"gid\":44,\"groups\":[7,8]},"
    "\"default_cmd\":[\"cc\",\"{options}\",\"{files}\"],\"commands\":[{\"files\":\"**.s\",\"cmd\":[\"as\",\"{"
    "files:**.s}\"]}],"
    "\"inputs\":[{\"type\":\"text/x-c\",\"patterns\":[\"*.c\",\"src/*.h\"]}],\"categories\":[\"compiler\"],"
    "\"options\":{\"properties\":{"
    "\"wall\":{\"type\":\"boolean\",\"default\":true,\"argv\":[\"-Wall\"]},"
    "\"debug\":{\"type\":\"boolean\",\"default\":false,\"argv\":[\"-g\"]},"
    "\"level\":{\"type\":\"string\",\"enum\":[\"0\",\"1\"],\"default\":\"1\",\"argv\":[\"-O{}\"]},"
    "\"define\":{\"type\":\"string\",\"argv\":[\"-D\",\"{}\"]},"
    "\"jobs\":{\"type\":\"integer\",\"minimum\":1,\"default\":4,\"argv\":[\"-j\",\"{}\"]}}}}";

static void an_entry_comes_back_as_it_was_written(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    assert_int_equal(load(with_everything, &image, &err), 0);
    pe_autojson json_t *wanted = json_loads(with_everything, 0, NULL);
    pe_autojson json_t *written = pe_image_to_json(&image);
    assert_true(json_equal(wanted, written));
    assert_int_equal(image.user.uid, 33);
    assert_int_equal(image.user.groups[1], 8);
}

static void the_first_command_for_one_of_the_files_is_taken(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    const char *const files[] = {"a.c", "b.s"};
    char **cmd = NULL;
    size_t count = 0;
    assert_int_equal(load(with_everything, &image, &err), 0);
    assert_int_equal(pe_image_default_command(&image, files, 2, &cmd, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(cmd[0], "as");
    assert_string_equal(cmd[1], "b.s");
    pe_strings_free(cmd, count);
}

static void a_name_that_looks_like_an_option_gets_a_folder_in_front(void **state)
{
    (void)state;
    static const char *const files[] = {"-v.c", "+x.c", "@args.c", "d/-v.c", "a-b.c"};
    static const char *const wanted[] = {"./-v.c", "./+x.c", "./@args.c", "d/-v.c", "a-b.c"};
    const size_t file_count = sizeof files / sizeof *files;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    char **cmd = NULL;
    size_t count = 0;
    assert_int_equal(load(with_everything, &image, &err), 0);
    assert_int_equal(pe_image_default_command(&image, files, file_count, &cmd, &count, &err), 0);
    for (size_t i = 0; i < file_count; i++)
        assert_string_equal(cmd[count - file_count + i], wanted[i]);
    pe_strings_free(cmd, count);
}

static void options_add_what_their_defaults_say(void **state)
{
    (void)state;
    static const char *const wanted[] = {"cc", "-Wall", "-O1", "-j", "4", "a.c"};
    struct pe_error err;
    pe_autoimage struct pe_image image;
    const char *const files[] = {"a.c"};
    char **cmd = NULL;
    size_t count = 0;
    assert_int_equal(load(with_everything, &image, &err), 0);
    assert_int_equal(pe_image_default_command(&image, files, 1, &cmd, &count, &err), 0);
    assert_int_equal(count, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < count; i++)
        assert_string_equal(cmd[i], wanted[i]);
    pe_strings_free(cmd, count);
}

static void an_image_takes_files_by_the_patterns_of_its_inputs_and_commands(void **state)
{
    (void)state;
    pe_autojson json_t *image = json_loads(with_everything, 0, NULL);
    assert_true(pe_metadata_accepts_file(image, "main.c"));
    assert_true(pe_metadata_accepts_file(image, "deep/main.c"));
    assert_true(pe_metadata_accepts_file(image, "src/x.h"));
    assert_true(pe_metadata_accepts_file(image, "x.s"));
    assert_false(pe_metadata_accepts_file(image, "x.h"));
    assert_false(pe_metadata_accepts_file(image, "main.cc"));
}

static void an_entry_with_a_text_that_is_not_utf8_cannot_be_written(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    assert_int_equal(load(with_everything, &image, &err), 0);
    assert_true(image.default_cmd_count > 0);
    image.default_cmd[0][0] = '\xff';
    assert_null(pe_image_to_json(&image));
}

static void an_entry_is_written_completely_or_not_at_all_without_memory(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    assert_int_equal(load(with_everything, &image, &err), 0);
    pe_autojson json_t *whole = pe_image_to_json(&image);
    assert_non_null(whole);
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        pe_autojson json_t *json = pe_image_to_json(&image);
        failed = feed_json();
        assert_true(json ? json_equal(json, whole) : (int)failed);
    }
}

static void an_entry_is_read_completely_or_not_at_all_without_memory(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image whole;
    pe_autojson json_t *entry = json_loads(with_everything, 0, NULL);
    assert_int_equal(pe_image_from_json(entry, &whole, &err), 0);
    for (size_t n = 0, failed = 1; failed; n++) {
        pe_autoimage struct pe_image image;
        starve_json(n);
        int read = pe_image_from_json(entry, &image, &err);
        failed = feed_json();
        if (read < 0)
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
        else
            assert_true(json_equal(image.metadata, whole.metadata));
    }
}

static void a_default_command_has_all_of_its_arguments_or_fails_without_memory(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autoimage struct pe_image image;
    const char *const files[] = {"a.c"};
    assert_int_equal(load(with_everything, &image, &err), 0);
    for (size_t n = 0, failed = 1; failed; n++) {
        char **cmd = NULL;
        size_t count = 0;
        starve_json(n);
        int made = pe_image_default_command(&image, files, 1, &cmd, &count, &err);
        failed = feed_json();
        if (made < 0) {
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
            continue;
        }
        assert_int_equal(count, 6);
        pe_strings_free(cmd, count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_default_command_takes_the_files_that_match),
        cmocka_unit_test(an_image_without_a_default_command_says_so),
        cmocka_unit_test(entries_out_of_form_name_the_field),
        cmocka_unit_test(an_entry_comes_back_as_it_was_written),
        cmocka_unit_test(the_first_command_for_one_of_the_files_is_taken),
        cmocka_unit_test(a_name_that_looks_like_an_option_gets_a_folder_in_front),
        cmocka_unit_test(options_add_what_their_defaults_say),
        cmocka_unit_test(an_image_takes_files_by_the_patterns_of_its_inputs_and_commands),
        cmocka_unit_test(an_entry_with_a_text_that_is_not_utf8_cannot_be_written),
        cmocka_unit_test(an_entry_is_written_completely_or_not_at_all_without_memory),
        cmocka_unit_test(an_entry_is_read_completely_or_not_at_all_without_memory),
        cmocka_unit_test(a_default_command_has_all_of_its_arguments_or_fails_without_memory),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
