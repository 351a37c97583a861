/* SPDX-License-Identifier: Apache-2.0 */
/* Watching files, where it fails. That changes are found is tested in tests/cli/test_watch.py. */
#include "cli/watch.h"
#include "tests/unit/check.h"

#include <dirent.h>
#include <sys/resource.h>

/* In a sanitized build, too, calloc(3) fails for a size that cannot be, instead of ending the test. */
const char *sanitizer_options(void) __asm__("__asan_default_options");
const char *sanitizer_options(void)
{
    return "allocator_may_return_null=1";
}

/* Descriptors that this process has open. */
static size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder))
        count++;
    closedir(folder);
    return count;
}

static char first[] = "a";
static char *const paths[] = {first};
static const char *const more[WATCH_MORE_MAX] = {"b"};

static void without_memory_nothing_stays_open(void **state)
{
    (void)state;
    struct watch watch;
    struct pe_error err = {0};
    size_t before = count_descriptors();
    assert_int_equal(watch_open(&watch, paths, SIZE_MAX / 4, more, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "out of memory for the list of files");
    watch_close(&watch);
    assert_int_equal(count_descriptors(), before);
}

static void without_descriptors_the_failure_is_told_and_what_was_begun_is_freed(void **state)
{
    (void)state;
    struct watch watch;
    struct pe_error err = {0};
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    const struct rlimit none = {.rlim_cur = 0, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int failed = watch_open(&watch, paths, 1, more, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(failed, -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot use inotify");
    watch_close(&watch);
    assert_null(watch.paths);
}

static void a_watch_has_all_paths_and_leaves_nothing_open(void **state)
{
    (void)state;
    struct watch watch;
    struct pe_error err = {0};
    size_t before = count_descriptors();
    assert_int_equal(watch_open(&watch, paths, 1, more, &err), 0);
    assert_string_equal(watch.paths[0], "a");
    assert_string_equal(watch.paths[1], "b");
    assert_null(watch.paths[2]);
    watch_close(&watch);
    assert_int_equal(count_descriptors(), before);
    watch_close(&watch); /* once more is no harm */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_memory_nothing_stays_open),
        cmocka_unit_test(without_descriptors_the_failure_is_told_and_what_was_begun_is_freed),
        cmocka_unit_test(a_watch_has_all_paths_and_leaves_nothing_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
