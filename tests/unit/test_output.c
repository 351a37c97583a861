/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the output device of a guest. Invalid output is refused. */
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "worker/job/output.h"

#include <sys/stat.h>

static const struct output_limits limits = {PE_STDOUT_BYTES_MAX, PE_STDERR_BYTES_MAX};

#define RESULT "status=exited\nexit_code=0\n"

/* One newc entry (cpio(5)): a header of 13 fields of 8 hex digits, the name, the data, each padded
 * to 4 bytes. */
static void put_dated(struct pe_buf *out, const char *name, unsigned mode, unsigned mtime, const void *data,
                      size_t size)
{
    struct pe_error err;
    static const char zeroes[4];
    assert_int_equal(pe_buf_printf(out, &err, "070701%08X%08X%08X%08X%08X%08X%08zX%08X%08X%08X%08X%08zX%08X",
                                   1, mode, 0, 0, 1, mtime, size, 0, 0, 0, 0, strlen(name) + 1, 0),
                     0);
    assert_int_equal(pe_buf_append(out, name, strlen(name) + 1, &err), 0);
    assert_int_equal(pe_buf_append(out, zeroes, (4 - out->size % 4) % 4, &err), 0);
    assert_int_equal(pe_buf_append(out, data, size, &err), 0);
    assert_int_equal(pe_buf_append(out, zeroes, (4 - out->size % 4) % 4, &err), 0);
}

static void put(struct pe_buf *out, const char *name, unsigned mode, const void *data, size_t size)
{
    put_dated(out, name, mode, 0, data, size);
}

static void append_file(struct pe_buf *out, const char *name, const char *text)
{
    put(out, name, S_IFREG | 0644, text, strlen(text));
}

static void append_head(struct pe_buf *out)
{
    append_file(out, "result", RESULT);
    append_file(out, "stdout", "out");
    append_file(out, "stderr", "");
}

static void append_trailer(struct pe_buf *out)
{
    put(out, "TRAILER!!!", 0, NULL, 0);
}

static void refused(struct pe_buf *cpio, const char *text_part)
{
    struct pe_error err;
    autooutput struct output output;
    append_trailer(cpio);
    assert_int_equal(output_read(cpio->data, cpio->size, &limits, &output, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, text_part);
}

static void a_complete_output_is_read(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf cpio = {0};
    autooutput struct output output;
    append_head(&cpio);
    put_dated(&cpio, "dir/sub", S_IFDIR | 0750, 7, NULL, 0);
    put_dated(&cpio, "dir/sub/\xff\n", S_IFREG | 04711, UINT32_MAX, "bytes", 5);
    append_trailer(&cpio);
    assert_int_equal(output_read(cpio.data, cpio.size, &limits, &output, &err), 0);
    assert_int_equal(output.result.status, PE_STATUS_EXITED);
    assert_int_equal(output.parts.count, 4);
    const struct pe_part *folder = &output.parts.items[2], *file = &output.parts.items[3];
    assert_int_equal(folder->kind, PE_PART_FOLDER);
    assert_string_equal(folder->path.text, "sub");
    assert_int_equal(folder->mode, 0750);
    assert_int_equal(folder->mtime, 7);
    assert_int_equal(file->kind, PE_PART_FILE);
    assert_string_equal(file->path.text, "sub/\xff\n");
    assert_int_equal(file->mode, 0711);
    assert_true(file->mtime == UINT32_MAX);
    assert_int_equal(output.bytes.size, 8);
    assert_memory_equal(output.bytes.data, "outbytes", 8);
}

static void a_combined_stream_may_follow_stderr_and_nothing_else(void **state)
{
    (void)state;
    struct pe_error err;
    pe_autobuf struct pe_buf cpio = {0}, twice = {0}, late = {0}, linked = {0}, large = {0};
    autooutput struct output output;
    append_head(&cpio);
    append_file(&cpio, "combined", "both");
    append_file(&cpio, "dir/x", "1");
    append_trailer(&cpio);
    assert_int_equal(output_read(cpio.data, cpio.size, &limits, &output, &err), 0);
    assert_int_equal(output.parts.count, 4);
    assert_int_equal(output.parts.items[2].kind, PE_PART_COMBINED);
    assert_memory_equal(output.bytes.data, "outboth1", 8);
    append_head(&twice);
    append_file(&twice, "combined", "");
    append_file(&twice, "combined", "");
    refused(&twice, "path is not allowed");
    append_head(&late);
    append_file(&late, "dir/x", "");
    append_file(&late, "combined", "");
    refused(&late, "path is not allowed");
    append_head(&linked);
    put(&linked, "combined", S_IFLNK | 0777, "/etc/passwd", 11);
    refused(&linked, "not a file");
    append_head(&large);
    assert_int_equal(pe_buf_reserve(&large, 3 << 20, &err), 0);
    static const char zeroes[(2 << 20) + 1];
    put(&large, "combined", S_IFREG | 0644, zeroes, sizeof zeroes);
    refused(&large, "larger than both");
}

static void the_first_entries_must_be_result_stdout_and_stderr(void **state)
{
    (void)state;
    pe_autobuf struct pe_buf empty = {0};
    pe_autobuf struct pe_buf swapped = {0};
    pe_autobuf struct pe_buf linked = {0};
    refused(&empty, "no 'result'");
    append_file(&swapped, "stdout", "x");
    refused(&swapped, "no 'result'");
    put(&linked, "result", S_IFLNK | 0777, "/etc/passwd", 11);
    refused(&linked, "no 'result'");
}

static void refused_entry(const char *name, unsigned mode, const char *text_part)
{
    pe_autobuf struct pe_buf cpio = {0};
    append_head(&cpio);
    put(&cpio, name, mode, "x", 1);
    refused(&cpio, text_part);
}

static void entries_that_are_no_plain_file_below_dir_are_refused(void **state)
{
    (void)state;
    refused_entry("etc/passwd", S_IFREG, "path is not allowed");
    refused_entry("dir/../x", S_IFREG, "path is not allowed");
    refused_entry("dir//etc/passwd", S_IFREG, "path is not allowed");
    refused_entry("/dir/x", S_IFREG, "path is not allowed");
    refused_entry("dir/x", S_IFLNK, "neither a file nor a directory");
    refused_entry("dir/x", S_IFCHR, "neither a file nor a directory");
    refused_entry("dir/x", S_IFIFO, "neither a file nor a directory");
}

static void a_name_that_occurs_twice_is_refused(void **state)
{
    (void)state;
    pe_autobuf struct pe_buf cpio = {0};
    append_head(&cpio);
    append_file(&cpio, "dir/a", "1");
    append_file(&cpio, "dir/a", "2");
    refused(&cpio, "not in order");
}

static void limits_hold_for_any_header(void **state)
{
    (void)state;
    pe_autobuf struct pe_buf huge = {0};
    pe_autobuf struct pe_buf many = {0};
    append_head(&huge);
    append_file(&huge, "dir/a", "x");
    char *size = memmem(huge.data, huge.size, "dir/a", 5);
    memcpy(size - 110 + 54, "FFFFFFFF", 8);
    refused(&huge, "impossible size");
    append_head(&many);
    for (int i = 0; i <= (int)PE_OUTPUT_FILES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "dir/%05d", i);
        append_file(&many, name, "");
    }
    refused(&many, "more files");
}

static void a_header_that_promises_gigabytes_gets_no_memory(void **state)
{
    (void)state;
    struct pe_error err;
    const char *const sizes[] = {"B0000000", "7FFFFFFF", "00000000", "0000000g"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        pe_autobuf struct pe_buf cpio = {0};
        autooutput struct output output;
        append_file(&cpio, "result", RESULT);
        memcpy(cpio.data + 94, sizes[i], 8); /* c_namesize */
        assert_int_equal(output_read(cpio.data, cpio.size, &limits, &output, &err), -1);
        assert_error(err, PE_ERR_MALFORMED, "impossible size");
    }
}

static void a_malformed_result_is_refused(void **state)
{
    (void)state;
    static const char *const results[] = {"",
                                          "exit_code=0\n",
                                          "status=great\n",
                                          "status=exited\nexit_code=256\n",
                                          "status=exited\nwall_us=99999999999999999\n",
                                          "status=exited"};
    for (size_t i = 0; i < sizeof results / sizeof *results; i++) {
        pe_autobuf struct pe_buf cpio = {0};
        append_file(&cpio, "result", results[i]);
        refused(&cpio, "result");
    }
}

static void every_cut_is_refused_and_no_flipped_byte_is_a_fault(void **state)
{
    (void)state;
    pe_autobuf struct pe_buf cpio = {0};
    append_head(&cpio);
    append_file(&cpio, "dir/a", "content");
    append_trailer(&cpio);
    for (size_t size = 0; size < cpio.size; size++) {
        struct pe_error err;
        autooutput struct output output;
        int got = output_read(cpio.data, size, &limits, &output, &err);
        if (got == 0 && size < cpio.size - 124)
            fail_msg("a cut at %zu of %zu was accepted", size, cpio.size);
    }
    for (size_t at = 0; at < cpio.size; at++)
        for (int bit = 0; bit < 8; bit++) {
            struct pe_error err;
            autooutput struct output output;
            cpio.data[at] ^= (uint8_t)(1 << bit);
            if (output_read(cpio.data, cpio.size, &limits, &output, &err) == 0)
                assert_true(output.bytes.size <= PE_OUTPUT_BYTES_MAX);
            cpio.data[at] ^= (uint8_t)(1 << bit);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_complete_output_is_read),
        cmocka_unit_test(a_combined_stream_may_follow_stderr_and_nothing_else),
        cmocka_unit_test(the_first_entries_must_be_result_stdout_and_stderr),
        cmocka_unit_test(entries_that_are_no_plain_file_below_dir_are_refused),
        cmocka_unit_test(a_name_that_occurs_twice_is_refused),
        cmocka_unit_test(limits_hold_for_any_header),
        cmocka_unit_test(a_header_that_promises_gigabytes_gets_no_memory),
        cmocka_unit_test(a_malformed_result_is_refused),
        cmocka_unit_test(every_cut_is_refused_and_no_flipped_byte_is_a_fault),
    };
    return cmocka_run_group_tests_name("output", tests, NULL, NULL);
}
