/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data: reading it from untrusted peers, and writing it. */
#include "codec/multipart.h"
#include "tests/unit/check.h"

#define TYPE "multipart/form-data; boundary=b0"

static int read_all(const char *type, const char *body, size_t size, struct pe_form_part *last,
                    struct pe_error *err)
{
    struct pe_form form;
    int parts = 0;
    if (pe_form_init(&form, type, strlen(type), body, size, err) < 0)
        return -1;
    for (;;) {
        int got = pe_form_next(&form, last, err);
        if (got <= 0)
            return got < 0 ? -1 : parts;
        parts++;
    }
}

static void refused(const char *type, const char *body, enum pe_error_kind kind, const char *text_part)
{
    struct pe_error err;
    struct pe_form_part part;
    assert_int_equal(read_all(type, body, strlen(body), &part, &err), -1);
    assert_error(err, kind, text_part);
}

static void what_the_writer_writes_the_reader_reads(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_form_part part;
    pe_autobuf struct pe_buf body = {0};
    const char *name = "odd \"name\"\r\n%22.txt";
    assert_int_equal(pe_form_append_head(&body, "b0", "job", NULL, 0, "application/json", &err), 0);
    assert_int_equal(pe_buf_append_text(&body, "{}\r\n", &err), 0);
    assert_int_equal(pe_form_append_head(&body, "b0", "file", "plain", 5, "text/plain", &err), 0);
    assert_int_equal(pe_buf_append_text(&body, "\r\n--b\r\n--b0x\r\n", &err), 0);
    assert_int_equal(pe_form_append_end(&body, "b0", &err), 0);
    assert_int_equal(read_all(TYPE, (char *)body.data, body.size, &part, &err),
                     -1); /* "--b0x" is no delimiter line */
    body.size = 0;
    assert_int_equal(pe_form_append_head(&body, "b0", "file", name, strlen(name), "text/plain", &err), 0);
    assert_int_equal(pe_buf_append_text(&body, "\r\n--b\r\n\r\n", &err), 0);
    assert_int_equal(pe_form_append_end(&body, "b0", &err), 0);
    assert_int_equal(read_all(TYPE, (char *)body.data, body.size, &part, &err), 1);
    assert_string_equal(part.name, "file");
    assert_string_equal(part.content_type, "text/plain");
    assert_int_equal(part.size, 7);
    assert_memory_equal(part.data, "\r\n--b\r\n", 7);
    /* A literal %22 in a name cannot be told from an escaped quote: browsers write both alike. */
    assert_string_equal(part.filename, "odd \"name\"\r\n\".txt");
}

static void a_body_that_is_cut_or_has_another_boundary_is_refused(void **state)
{
    (void)state;
    const char *disposition = "--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx";
    refused(TYPE, disposition, PE_ERR_MALFORMED, "before the closing boundary");
    refused(TYPE, "--b1\r\n", PE_ERR_MALFORMED, "does not start with the boundary");
    refused(TYPE, "", PE_ERR_MALFORMED, "does not start with the boundary");
    refused(TYPE, "--b0", PE_ERR_MALFORMED, "line end");
    refused(TYPE, "--b0\r\nContent-Disposition: form-data; name=\"a\"", PE_ERR_MALFORMED, "cut short");
    refused(TYPE, "--b0\r\n\r\nx\r\n--b0--", PE_ERR_MALFORMED, "no Content-Disposition");
    refused(TYPE, "--b0\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b0--", PE_ERR_MALFORMED,
            "not form-data");
    refused(TYPE, "--b0\r\nContent-Disposition: form-data; name=\"a\r\n\r\nx\r\n--b0--", PE_ERR_MALFORMED,
            "malformed");
}

static void the_content_type_must_be_form_data_with_a_boundary(void **state)
{
    (void)state;
    refused("application/json", "", PE_ERR_MALFORMED, "must be multipart/form-data");
    refused("multipart/form-data", "", PE_ERR_MALFORMED, "no valid boundary");
    refused("multipart/form-data; boundary=", "", PE_ERR_MALFORMED, "no valid boundary");
    refused("multipart/form-data; boundary=\"a\nb\"", "", PE_ERR_MALFORMED, "no valid boundary");
    refused("multipart/form-data; "
            "boundary=0123456789012345678901234567890123456789012345678901234567890123456789x",
            "", PE_ERR_MALFORMED, "no valid boundary");
}

static void a_nul_in_a_file_name_is_refused(void **state)
{
    (void)state;
    struct pe_error err;
    struct pe_form_part part;
    const char body[] =
        "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\0b\"\r\n\r\nx\r\n--b0--";
    assert_int_equal(read_all(TYPE, body, sizeof body - 1, &part, &err), -1);
    assert_error(err, PE_ERR_INVALID, "NUL");
}

static void every_prefix_of_a_body_is_refused_without_reading_past_it(void **state)
{
    (void)state;
    const char body[] =
        "--b0\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\nContent-Type: x\r\n\r\n"
        "data\r\n--b0\r\nContent-Disposition: form-data; name=\"b\"\r\n\r\n\r\n--b0--";
    for (size_t size = 0; size < sizeof body - 1; size++) {
        struct pe_error err;
        struct pe_form_part part;
        char *exact = test_malloc(size + 1); /* a reader past the end shows under ASan */
        memcpy(exact, body, size);
        assert_int_equal(read_all(TYPE, exact, size, &part, &err), -1);
        test_free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_writer_writes_the_reader_reads),
        cmocka_unit_test(a_body_that_is_cut_or_has_another_boundary_is_refused),
        cmocka_unit_test(the_content_type_must_be_form_data_with_a_boundary),
        cmocka_unit_test(a_nul_in_a_file_name_is_refused),
        cmocka_unit_test(every_prefix_of_a_body_is_refused_without_reading_past_it),
    };
    return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
