/* SPDX-License-Identifier: Apache-2.0 */
/* multipart/form-data: reading it from untrusted peers, and writing it. */
#include "codec/multipart.h"
#include "tests/unit/check.h"

#include <stdio.h>

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
    assert_string_equal(part.filename, name);
}

static void assert_name_round_trips(const char *name, size_t length)
{
    struct pe_error err;
    struct pe_form_part part;
    pe_autobuf struct pe_buf body = {0};
    assert_int_equal(pe_form_append_head(&body, "b0", "file", name, length, "text/plain", &err), 0);
    assert_int_equal(pe_buf_append_text(&body, "x\r\n", &err), 0);
    assert_int_equal(pe_form_append_end(&body, "b0", &err), 0);
    assert_int_equal(read_all(TYPE, (char *)body.data, body.size, &part, &err), 1);
    assert_int_equal(part.filename_length, length);
    assert_memory_equal(part.filename, name, length);
    assert_true(part.has_filename);
}

/* Bytes that some encoding of names treats specially, and parts of such encodings. */
static const char odd_bytes[] = "\"%\\;='*/ 02aAdD\r\n\t\x01\x7f\xc3\xa9\xff";

static void every_short_name_of_odd_bytes_is_read_as_it_was_written(void **state)
{
    (void)state;
    const size_t count = sizeof odd_bytes - 1;
    char name[4];
    for (size_t length = 1; length <= sizeof name; length++) {
        size_t names = 1;
        for (size_t i = 0; i < length; i++)
            names *= count;
        /* Every name of up to three bytes, and a sample of the longer ones. */
        for (size_t number = 0; number<names; number += length> 3 ? 7 : 1) {
            for (size_t i = 0, rest = number; i < length; i++, rest /= count)
                name[i] = odd_bytes[rest % count];
            assert_name_round_trips(name, length);
        }
    }
}

static void long_names_of_odd_bytes_are_read_as_they_were_written(void **state)
{
    (void)state;
    char name[1024];
    uint32_t random = 1;
    for (size_t round = 0; round < 200; round++) {
        for (size_t i = 0; i < sizeof name; i++) {
            random = random * 1664525u + 1013904223u;
            name[i] = odd_bytes[(random >> 16) % (sizeof odd_bytes - 1)];
        }
        assert_name_round_trips(name, round < 100 ? sizeof name : 1 + random % sizeof name);
    }
    memset(name, '"', sizeof name); /* every byte becomes three, twice */
    assert_name_round_trips(name, sizeof name);
}

static void names_of_other_clients_are_read_as_they_are_meant(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *meant;
    } cases[] = {
        {"filename=\"q%22u.c\"", "q\"u.c"},      /* browsers, curl */
        {"filename=\"q\\\"u.c\"", "q\"u.c"},     /* Go, curl --form-escape */
        {"filename=\"b\\s.c\"", "b\\s.c"},       /* browsers, curl */
        {"filename=\"b\\\\s.c\"", "b\\s.c"},     /* Go, curl --form-escape */
        {"filename=\"a\\\"", "a\\"},             /* browsers, curl: a backslash at the end */
        {"filename=\"a\\\\\"", "a\\"},           /* Go */
        {"filename=\"a\\\"; x=y\"", "a\"; x=y"}, /* Go */
        {"filename=\"100%.c\"", "100%.c"},       /* all */
        {"filename=\"x%0Ay%0d%2\"", "x%0Ay%0d%2"},
        {"filename=\"%2522\"", "%2522"},
        {"filename=plain.c", "plain.c"},
        {"filename=\"a.c\"; filename*=utf-8''%61%20%22.c", "a \".c"}, /* .NET */
        {"filename*=UTF-8'en'%c3%a9; filename=\"e\"", "\xc3\xa9"},
        {"FileName*=UTF-8''%2522", "%22"},
        {"filename=\"a\\\"; filename*=\"UTF-8''%61\"", "a"},
        {"filename*=UTF-8''d/a'b", "d/a'b"}, /* a slash should be written as %2F, but need not */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct pe_error err;
        struct pe_form_part part;
        char body[200];
        int size = snprintf(body, sizeof body,
                            "--b0\r\nContent-Disposition: form-data; name=\"file\"; %s\r\n\r\nx\r\n--b0--",
                            cases[i].sent);
        assert_int_equal(read_all(TYPE, body, (size_t)size, &part, &err), 1);
        assert_string_equal(part.filename, cases[i].meant);
        assert_string_equal(part.name, "file");
    }
}

static void a_file_name_that_is_malformed_or_sent_twice_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *text_part;
    } cases[] = {
        {"filename*=ISO-8859-1''a", "does not begin with UTF-8''"},
        {"filename*=a", "does not begin with UTF-8''"},
        {"filename*=UTF-8'a", "does not begin with UTF-8''"},
        {"filename*=UTF-8''%2", "two hexadecimal digits"},
        {"filename*=UTF-8''%xx", "two hexadecimal digits"},
        {"filename=a; filename=b", "two file names"},
        {"filename*=UTF-8''a; filename*=UTF-8''b", "two file names"},
        {"filename=a\r\nContent-Disposition: form-data; name=file; filename=b", "two file names"},
        {"filename=\"a\"b\"", "malformed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[200];
        snprintf(body, sizeof body,
                 "--b0\r\nContent-Disposition: form-data; name=\"file\"; %s\r\n\r\nx\r\n--b0--",
                 cases[i].sent);
        refused(TYPE, body, PE_ERR_MALFORMED, cases[i].text_part);
    }
    refused(TYPE,
            "--b0\r\nContent-Disposition: form-data; name=file; filename*=UTF-8''a%00\r\n\r\nx\r\n--b0--",
            PE_ERR_INVALID, "NUL");
}

static void a_transfer_encoding_that_changes_bytes_is_refused(void **state)
{
    (void)state;
    static const char *const encodings[] = {"binary", "8BIT", "7bit ", "base64", "quoted-printable", ""};
    for (size_t i = 0; i < sizeof encodings / sizeof *encodings; i++) {
        struct pe_error err;
        struct pe_form_part part;
        char body[200];
        snprintf(body, sizeof body,
                 "--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n"
                 "Content-Transfer-Encoding: %s\r\n\r\nx\r\n--b0--",
                 encodings[i]);
        if (i < 3)
            assert_int_equal(read_all(TYPE, body, strlen(body), &part, &err), 1);
        else
            refused(TYPE, body, PE_ERR_MALFORMED, "Content-Transfer-Encoding");
    }
}

static void a_preamble_and_padding_are_ignored(void **state)
{
    (void)state;
    static const char *const preambles[] = {
        "\r\n--b0\r\n",
        "\r\n\r\n--b0\r\n",
        "This is a message in MIME format.\r\n--b0\r\n",
        "a line that ends with --b0\r\n--b0\r\n",
        "--b0 \t\r\n",
    };
    for (size_t i = 0; i < sizeof preambles / sizeof *preambles; i++) {
        struct pe_error err;
        struct pe_form_part part;
        char body[200];
        int size = snprintf(body, sizeof body,
                            "%sContent-Disposition: form-data; name=\"a\"\r\n\r\nx\r\n--b0-- \r\nepilogue",
                            preambles[i]);
        assert_int_equal(read_all(TYPE, body, (size_t)size, &part, &err), 1);
        assert_string_equal(part.name, "a");
        assert_int_equal(part.size, 1);
    }
}

static void a_body_that_is_cut_or_has_another_boundary_is_refused(void **state)
{
    (void)state;
    const char *disposition = "--b0\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nx";
    refused(TYPE, disposition, PE_ERR_MALFORMED, "before the closing boundary");
    refused(TYPE, "--b1\r\n", PE_ERR_MALFORMED, "no line with the boundary");
    refused(TYPE, "", PE_ERR_MALFORMED, "no line with the boundary");
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
        cmocka_unit_test(every_short_name_of_odd_bytes_is_read_as_it_was_written),
        cmocka_unit_test(long_names_of_odd_bytes_are_read_as_they_were_written),
        cmocka_unit_test(names_of_other_clients_are_read_as_they_are_meant),
        cmocka_unit_test(a_file_name_that_is_malformed_or_sent_twice_is_refused),
        cmocka_unit_test(a_transfer_encoding_that_changes_bytes_is_refused),
        cmocka_unit_test(a_preamble_and_padding_are_ignored),
        cmocka_unit_test(a_body_that_is_cut_or_has_another_boundary_is_refused),
        cmocka_unit_test(the_content_type_must_be_form_data_with_a_boundary),
        cmocka_unit_test(a_nul_in_a_file_name_is_refused),
        cmocka_unit_test(every_prefix_of_a_body_is_refused_without_reading_past_it),
    };
    return cmocka_run_group_tests_name("multipart", tests, NULL, NULL);
}
