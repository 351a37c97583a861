/* SPDX-License-Identifier: Apache-2.0 */
/* The age of the User Mode Linux kernel, with a stand-in for apt-cache, which prints the files
 * `system` and, if it is called with the option -c, `own`. */
#include "tests/unit/check.h"
#include "worker/uml_kernel_age.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[] = "/tmp/pe-test-age-XXXXXX";
static char kernel[PATH_MAX], apt[PATH_MAX];

static void write_file(const char *name, const char *text)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* Make a file look as if it was written `days` ago. */
static void make_old(const char *path, int days)
{
    const struct timespec times[] = {{.tv_sec = time(NULL) - days * 86400l},
                                     {.tv_sec = time(NULL) - days * 86400l}};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static int set_up(void **state)
{
    (void)state;
    char path[PATH_MAX + 32], script[PATH_MAX + 128];
    assert_non_null(mkdtemp(folder));
    snprintf(kernel, sizeof kernel, "%s/linux", folder);
    snprintf(apt, sizeof apt, "%s/apt", folder);
    snprintf(path, sizeof path, "%s/lists", apt);
    assert_int_equal(mkdir(apt, 0700) + mkdir(path, 0700), 0);
    snprintf(script, sizeof script,
             "#!/bin/sh\nif [ \"$1\" = -c ]; then cat '%s/own'; else cat '%s/system'; fi\n", folder, folder);
    write_file("apt-cache", script);
    snprintf(path, sizeof path, "%s/apt-cache", folder);
    assert_int_equal(chmod(path, 0700), 0);
    snprintf(path, sizeof path, "%s:/usr/bin:/bin", folder);
    assert_int_equal(setenv("PATH", path, 1), 0);
    write_file("apt/apt.conf", "");
    write_file("linux", "");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[PATH_MAX + 16];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

static struct uml_kernel_age age_with(const char *version, const char *system, const char *own)
{
    struct uml_kernel_age age;
    struct pe_error err;
    write_file("VERSION", version);
    write_file("system", system);
    write_file("own", own);
    assert_int_equal(uml_kernel_age(kernel, apt, &age, &err), 0);
    return age;
}

#define COMPILED "kernel=linux-source-7.3 7.3.4-1~bpo13+1\nrelease=7.3.4-pe\nsuite=trixie-backports\n"

static void a_kernel_of_the_newest_source_is_not_old(void **state)
{
    (void)state;
    struct uml_kernel_age age =
        age_with(COMPILED, "linux-source-6.1:\n  Installed: (none)\n  Candidate: 6.1.192-2\n",
                 "linux-source-7.3:\n  Candidate: 7.3.4-1~bpo13+1\n");
    assert_string_equal(age.source, "linux-source-7.3 7.3.4-1~bpo13+1");
    assert_string_equal(age.newer, "");
    assert_int_equal(age.look_days, 0);
}

static void a_newer_version_or_package_in_either_list_makes_it_old(void **state)
{
    (void)state;
    assert_string_equal(age_with(COMPILED, "  Candidate: 7.3.12-1~bpo13+1\n", "").newer, "7.3.12-1~bpo13+1");
    assert_string_equal(age_with(COMPILED, "", "  Candidate: 7.3.4-1\n").newer, "7.3.4-1");
    assert_string_equal(
        age_with(COMPILED, "  Candidate: 6.12.3-1\n", "  Candidate: 7.3.4-1~bpo13+1\n  Candidate: 7.10.1-1\n")
            .newer,
        "7.10.1-1");
}

static void a_machine_without_package_lists_has_nothing_newer(void **state)
{
    (void)state;
    assert_string_equal(age_with(COMPILED, "", "").newer, "");
    assert_string_equal(age_with(COMPILED, "  Candidate: (none)\n", "").newer, "");
}

static void the_last_look_is_the_compilation_or_a_later_one_at_the_package_lists(void **state)
{
    (void)state;
    char lists[PATH_MAX + 8];
    snprintf(lists, sizeof lists, "%s/lists", apt);
    make_old(kernel, 100);
    make_old(lists, 120);
    assert_int_equal(age_with(COMPILED, "", "").look_days, 100);
    make_old(lists, 7);
    assert_int_equal(age_with(COMPILED, "", "").look_days, 7);
}

static void a_kernel_that_make_did_not_compile_has_no_source(void **state)
{
    (void)state;
    struct uml_kernel_age age = age_with("", "  Candidate: 7.3.4-1\n", "");
    assert_string_equal(age.source, "");
    assert_string_equal(age.newer, "");
}

static void a_kernel_without_the_files_of_memory_pressure_is_told_apart(void **state)
{
    (void)state;
    assert_false(age_with(COMPILED, "", "").has_pressure);
    write_file("linux", "io.pressure memory.pressure");
    assert_true(age_with(COMPILED, "", "").has_pressure);
}

static void a_missing_kernel_is_named(void **state)
{
    (void)state;
    struct uml_kernel_age age;
    struct pe_error err;
    assert_true(uml_kernel_age("/nowhere/linux", apt, &age, &err) < 0);
    assert_error(err, PE_ERR_NOT_FOUND, "/nowhere/linux");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kernel_of_the_newest_source_is_not_old),
        cmocka_unit_test(a_newer_version_or_package_in_either_list_makes_it_old),
        cmocka_unit_test(a_machine_without_package_lists_has_nothing_newer),
        cmocka_unit_test(the_last_look_is_the_compilation_or_a_later_one_at_the_package_lists),
        cmocka_unit_test(a_kernel_that_make_did_not_compile_has_no_source),
        cmocka_unit_test(a_kernel_without_the_files_of_memory_pressure_is_told_apart),
        cmocka_unit_test(a_missing_kernel_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
