/* Catalog entries, and default commands for given files. */
#include "proto/image.h"
#include "tests/unit/check.h"

#include "proto/job.h"

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
        const char *json, *word;
    } cases[] = {
        {"[]", "'name'"},
        {"{\"name\":\"a:1\"}", "'digest'"},
        {"{\"name\":\"a\",\"digest\":\"" DIGEST "\"}", "'name' must be name:tag"},
        {"{\"name\":\"a:1\",\"digest\":\"sha256:12\"}", "'digest' must be"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"env\":[\"=x\"]}", "'env'"},
        {"{\"name\":\"a:1\",\"digest\":\"" DIGEST "\",\"default_cmd\":\"x\"}", "'default_cmd'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pe_error err;
        pe_autoimage struct pe_image image;
        assert_int_equal(load(cases[i].json, &image, &err), -1);
        assert_error(err, PE_ERR_MALFORMED, cases[i].word);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_default_command_takes_the_files_that_match),
        cmocka_unit_test(an_image_without_a_default_command_says_so),
        cmocka_unit_test(entries_out_of_form_name_the_field),
    };
    return cmocka_run_group_tests_name("image", tests, NULL, NULL);
}
