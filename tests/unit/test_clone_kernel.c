/* SPDX-License-Identifier: Apache-2.0 */
/* What a clone names to QEMU as its kernel. */
#include "tests/unit/check.h"
#include "worker/vmm/clone_kernel.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (1 << 20)

static unsigned char content[SIZE];
static int kernel;

/* The kernel is a file without content. */
static int set_up(void **state)
{
    (void)state;
    memset(content, 7, sizeof content);
    kernel = memfd_create("kernel", MFD_CLOEXEC);
    return kernel < 0;
}

static int tear_down(void **state)
{
    (void)state;
    return close(kernel);
}

/* Write the first `size` bytes of a kernel, which is a bzImage if `magic` is "HdrS". */
static void write_kernel(const char *magic, unsigned char setup_sectors, size_t size)
{
    memcpy(content + 0x202, magic, strlen(magic));
    content[0x1f1] = setup_sectors;
    assert_int_equal(pwrite(kernel, content, size, 0), size);
}

/* Cut the kernel, and check that `size` bytes of its beginning are left. */
static void check_cut(off_t size)
{
    struct pe_error err;
    struct stat info;
    static unsigned char got[SIZE];
    assert_int_equal(clone_kernel_cut(&kernel, &err), 0);
    assert_int_equal(fstat(kernel, &info), 0);
    assert_int_equal(info.st_size, size);
    assert_int_equal(pread(kernel, got, sizeof got, 0), size);
    assert_memory_equal(got, content, (size_t)size);
}

static void of_a_bzimage_only_the_beginning_is_left(void **state)
{
    (void)state;
    write_kernel("HdrS", 27, SIZE);
    check_cut((1 + 27 + 1) * 512);
}

static void the_largest_beginning_fits(void **state)
{
    (void)state;
    write_kernel("HdrS", 255, SIZE);
    check_cut((1 + 255 + 1) * 512);
}

static void no_setup_sectors_mean_four(void **state)
{
    (void)state;
    write_kernel("HdrS", 0, SIZE);
    check_cut((1 + 4 + 1) * 512);
}

static void another_file_stays_whole(void **state)
{
    (void)state;
    write_kernel("Hdr?", 27, SIZE);
    check_cut(SIZE);
}

static void a_file_that_ends_before_its_kernel_stays_whole(void **state)
{
    (void)state;
    write_kernel("HdrS", 27, (1 + 27) * 512);
    check_cut((1 + 27) * 512);
}

static void a_file_without_a_header_stays_whole(void **state)
{
    (void)state;
    write_kernel("HdrS", 27, 0x202);
    check_cut(0x202);
}

static void a_kernel_that_cannot_be_read_is_an_error(void **state)
{
    struct pe_error err;
    int missing = -1;
    (void)state;
    assert_int_equal(clone_kernel_cut(&missing, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot read the kernel for a clone: Bad file descriptor");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(of_a_bzimage_only_the_beginning_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_largest_beginning_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(no_setup_sectors_mean_four, set_up, tear_down),
        cmocka_unit_test_setup_teardown(another_file_stays_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_ends_before_its_kernel_stays_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_without_a_header_stays_whole, set_up, tear_down),
        cmocka_unit_test(a_kernel_that_cannot_be_read_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
