/* SPDX-License-Identifier: Apache-2.0 */
/* The input device of a job. What is written is read back with the reader of libsquashfs. */
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "worker/job/input.h"

#include <errno.h>
#include <sqfs/compressor.h>
#include <sqfs/data_reader.h>
#include <sqfs/dir_reader.h>
#include <sqfs/id_table.h>
#include <sqfs/inode.h>
#include <sqfs/io.h>
#include <sqfs/super.h>
#include <stdlib.h>
#include <unistd.h>

/* A file system as libsquashfs reads it. */
struct image {
    sqfs_file_t *file;
    sqfs_super_t super;
    sqfs_compressor_t *compressor;
    sqfs_dir_reader_t *directories;
    sqfs_data_reader_t *data;
    sqfs_inode_generic_t *root;
};

static void image_open(struct image *image, const struct memfile *device)
{
    char path[64];
    sqfs_compressor_config_t config;
    snprintf(path, sizeof path, "/proc/self/fd/%d", device->fd);
    image->file = sqfs_open_file(path, SQFS_FILE_OPEN_READ_ONLY);
    assert_non_null(image->file);
    assert_int_equal(sqfs_super_read(&image->super, image->file), 0);
    sqfs_compressor_config_init(&config, image->super.compression_id, image->super.block_size,
                                SQFS_COMP_FLAG_UNCOMPRESS);
    assert_int_equal(sqfs_compressor_create(&config, &image->compressor), 0);
    image->directories = sqfs_dir_reader_create(&image->super, image->compressor, image->file, 0);
    image->data = sqfs_data_reader_create(image->file, image->super.block_size, image->compressor, 0);
    assert_int_equal(sqfs_data_reader_load_fragment_table(image->data, &image->super), 0);
    assert_int_equal(sqfs_dir_reader_get_root_inode(image->directories, &image->root), 0);
}

static void image_close(struct image *image)
{
    sqfs_free(image->root);
    sqfs_destroy(image->data);
    sqfs_destroy(image->directories);
    sqfs_destroy(image->compressor);
    sqfs_destroy(image->file);
}

static void assert_content(struct image *image, const char *path, const char *content, size_t size)
{
    sqfs_inode_generic_t *inode = NULL;
    if (sqfs_dir_reader_find_by_path(image->directories, image->root, path, &inode) != 0)
        fail_msg("%s is not in the image", path);
    sqfs_u64 stored = 0;
    sqfs_inode_get_file_size(inode, &stored);
    assert_int_equal(stored, size);
    char *bytes = malloc(size + 1);
    assert_int_equal(sqfs_data_reader_read(image->data, inode, 0, bytes, (sqfs_u32)size), (int)size);
    assert_memory_equal(bytes, content, size);
    free(bytes);
    sqfs_free(inode);
}

static void add_part(struct pe_parts *parts, const char *name, uint64_t size)
{
    struct pe_error err;
    struct pe_path path;
    assert_int_equal(pe_path_parse(name, strlen(name), 1, &path, &err), 0);
    assert_int_equal(pe_parts_add(parts, PE_PART_FILE, &path, size, 0644, &err), 0);
}

static struct pe_buf text_buf(const char *text)
{
    struct pe_error err;
    struct pe_buf buf = {0};
    assert_int_equal(pe_buf_append_text(&buf, text, &err), 0);
    return buf;
}

static int write_input(struct memfile *device, const struct pe_parts *parts, const char *stdin_name,
                       const void *body, size_t size, struct pe_error *err)
{
    autoinput struct input input = {0};
    autoinputtexts struct input_texts texts = {
        .config = text_buf("{}"), .program = text_buf("1\ntrue"), .job = text_buf("version=2\n")};
    if (input_begin(&input, device, parts, stdin_name, err) < 0 ||
        input_append(&input, body, size / 2, err) < 0 ||
        input_append(&input, (const char *)body + size / 2, size - size / 2, err) < 0)
        return -1;
    return input_finish(&input, &texts, err);
}

static int make_device(void **state)
{
    static struct memfile device;
    struct pe_error err;
    *state = &device;
    return memfile_create("test-input", PE_INPUT_DEVICE_BYTES, &device, &err);
}

static int drop_device(void **state)
{
    memfile_close(*state);
    return 0;
}

static void files_of_a_job_are_where_the_contract_says(void **state)
{
    struct memfile *device = *state;
    struct pe_error err;
    struct image image;
    struct pe_parts parts = {0};
    add_part(&parts, "main.c", 5);
    add_part(&parts, "a/b/deep.txt", 4);
    add_part(&parts, "a-b", 1);
    add_part(&parts, "a/empty", 0);
    assert_int_equal(write_input(device, &parts, "a/b/deep.txt", "main!deep-", 10, &err), 0);
    image_open(&image, device);
    assert_content(&image, "dir/main.c", "main!", 5);
    assert_content(&image, "dir/a/b/deep.txt", "deep", 4);
    assert_content(&image, "dir/a-b", "-", 1);
    assert_content(&image, "dir/a/empty", "", 0);
    assert_content(&image, "stdin", "deep", 4);
    assert_content(&image, "config.json", "{}", 2);
    assert_content(&image, "job", "version=2\n", 10);
    image_close(&image);
    pe_parts_free(&parts);
}

static void a_job_without_files_has_an_empty_dir(void **state)
{
    struct memfile *device = *state;
    struct pe_error err;
    struct image image;
    struct pe_parts none = {0};
    sqfs_inode_generic_t *inode = NULL;
    assert_int_equal(write_input(device, &none, NULL, "", 0, &err), 0);
    image_open(&image, device);
    assert_int_equal(sqfs_dir_reader_find_by_path(image.directories, image.root, "dir", &inode), 0);
    sqfs_free(inode);
    assert_int_not_equal(sqfs_dir_reader_find_by_path(image.directories, image.root, "stdin", &inode), 0);
    image_close(&image);
}

static void the_largest_input_fits(void **state)
{
    struct memfile *device = *state;
    struct pe_error err;
    struct image image;
    struct pe_parts parts = {0};
    size_t each = PE_INPUT_BYTES_MAX / PE_INPUT_FILES_MAX;
    char *body = malloc(PE_INPUT_BYTES_MAX);
    for (size_t i = 0; i < PE_INPUT_BYTES_MAX; i++)
        body[i] = (char)(i * 2654435761u >> 13);
    for (unsigned i = 0; i < PE_INPUT_FILES_MAX; i++) {
        char name[300];
        snprintf(name, sizeof name, "directory-%u/%0200u", i % 50, i);
        add_part(&parts, name, each);
    }
    assert_int_equal(write_input(device, &parts, NULL, body, PE_INPUT_BYTES_MAX, &err), 0);
    image_open(&image, device);
    char last[300];
    snprintf(last, sizeof last, "dir/directory-%u/%0200u", 4095u % 50, 4095u);
    assert_content(&image, last, body + 4095 * each, each);
    image_close(&image);
    free(body);
    pe_parts_free(&parts);
}

static void names_that_clash_are_refused(void **state)
{
    struct memfile *device = *state;
    static const char *const pairs[][2] = {{"a", "a"}, {"a", "a/b"}, {"x/y/z", "x/y"}};
    for (size_t i = 0; i < 3; i++) {
        struct pe_error err;
        struct pe_parts parts = {0};
        add_part(&parts, pairs[i][0], 0);
        add_part(&parts, "a-between", 0);
        add_part(&parts, pairs[i][1], 0);
        assert_int_equal(write_input(device, &parts, "a", "", 0, &err), -1);
        assert_error(err, PE_ERR_INVALID, "occurs twice");
        pe_parts_free(&parts);
    }
}

static void bytes_must_be_as_many_as_announced(void **state)
{
    struct memfile *device = *state;
    struct pe_error err;
    struct pe_parts parts = {0};
    add_part(&parts, "a", 4);
    assert_int_equal(write_input(device, &parts, NULL, "12345", 5, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "more bytes");
    assert_int_equal(write_input(device, &parts, NULL, "123", 3, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "fewer bytes");
    pe_parts_free(&parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_of_a_job_are_where_the_contract_says, make_device, drop_device),
        cmocka_unit_test_setup_teardown(a_job_without_files_has_an_empty_dir, make_device, drop_device),
        cmocka_unit_test_setup_teardown(the_largest_input_fits, make_device, drop_device),
        cmocka_unit_test_setup_teardown(names_that_clash_are_refused, make_device, drop_device),
        cmocka_unit_test_setup_teardown(bytes_must_be_as_many_as_announced, make_device, drop_device),
    };
    return cmocka_run_group_tests_name("input", tests, NULL, NULL);
}
