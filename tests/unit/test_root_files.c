/* SPDX-License-Identifier: Apache-2.0 */
/* What pe-init adds to the root file systems of images: each test makes a root with some files, completes
 * it and looks at it. */
#include "tests/unit/check.h"

#include "guest-init/root_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCALHOST "127.0.0.1\tlocalhost\n::1\tip6-localhost ip6-loopback\n"
#define OWN_NAME "127.0.1.1\tpe\n"

static char root[] = "/tmp/pe-test-root-XXXXXX";

/* A path below the root, in a static buffer. */
static const char *below(const char *path)
{
    static char joined[512];
    snprintf(joined, sizeof joined, "%s/%s", root, path);
    return joined;
}

static void make_file(const char *path, const char *text)
{
    FILE *file = fopen(below(path), "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_folder(const char *path)
{
    assert_int_equal(mkdir(below(path), 0755), 0);
}

static void make_link(const char *path, const char *target)
{
    assert_int_equal(symlink(target, below(path)), 0);
}

static void complete(void)
{
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_true(fd >= 0);
    root_files_complete(fd);
    close(fd);
}

static void assert_file(const char *path, const char *wanted)
{
    char text[4096];
    FILE *file = fopen(below(path), "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, wanted);
}

static void assert_folder(const char *path, mode_t mode)
{
    struct stat status;
    assert_int_equal(lstat(below(path), &status), 0);
    assert_int_equal(status.st_mode, S_IFDIR | mode);
}

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", root);
    int failed = system(command);
    memcpy(root + sizeof root - 7, "XXXXXX", 6);
    return failed;
}

static void an_empty_image_gets_everything(void **state)
{
    (void)state;
    complete();
    assert_file("etc/hosts", LOCALHOST OWN_NAME);
    assert_file("etc/hostname", "pe\n");
    assert_file("etc/resolv.conf",
                "# This machine has no network and no name server.\nnameserver 127.0.0.1\n");
    assert_folder("tmp", 01777);
    assert_folder("var/tmp", 01777);
    assert_folder("run/lock", 01777);
    assert_folder("root", 0700);
}

static void empty_files_count_as_missing(void **state)
{
    (void)state;
    make_folder("etc");
    make_file("etc/hosts", "");
    make_file("etc/hostname", "");
    make_file("etc/resolv.conf", "");
    complete();
    assert_file("etc/hosts", LOCALHOST OWN_NAME);
    assert_file("etc/hostname", "pe\n");
    assert_int_not_equal(access(below("etc/resolv.conf"), F_OK), -1);
}

static void what_is_right_is_not_touched(void **state)
{
    (void)state;
    static const char hosts[] =
        "::1 LOCALHOST # the loopback interface\n\n127.8.0.7\tdb pe\n10.0.0.7 localhost\n";
    struct stat before, after;
    make_folder("etc");
    make_folder("tmp");
    make_file("etc/hosts", hosts);
    make_file("etc/hostname", "pe\n");
    make_file("etc/resolv.conf", "nameserver 10.0.0.1\n");
    assert_int_equal(stat(below("etc/hosts"), &before), 0);
    complete();
    assert_int_equal(stat(below("etc/hosts"), &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_file("etc/hosts", hosts);
    assert_file("etc/resolv.conf", "nameserver 10.0.0.1\n");
    assert_folder("tmp", 0755);
}

static void missing_names_are_appended_to_the_hosts_of_an_image(void **state)
{
    (void)state;
    make_folder("etc");
    make_file("etc/hosts", "127.0.0.1 localhost\n10.0.0.7 db # pe");
    complete();
    assert_file("etc/hosts", "127.0.0.1 localhost\n10.0.0.7 db # pe\n" OWN_NAME);
    make_file("etc/hosts", "localhost\n#127.0.0.1 localhost pe\n10.0.0.7 mylocalhost pe.example\n");
    complete();
    assert_file("etc/hosts",
                "localhost\n#127.0.0.1 localhost pe\n10.0.0.7 mylocalhost pe.example\n" LOCALHOST OWN_NAME);
    make_file("etc/hosts", "127.1 localhost\nlocalhost localhost pe\n127.0.0.1000000000000000000000000000"
                           "000000000000 pe\n");
    complete();
    assert_file("etc/hosts", "127.1 localhost\nlocalhost localhost pe\n127.0.0.1000000000000000000000000000"
                             "000000000000 pe\n" LOCALHOST OWN_NAME);
}

static void names_that_lead_elsewhere_are_found_first_at_the_loopback_interface(void **state)
{
    (void)state;
    make_folder("etc");
    make_file("etc/hosts", "10.0.0.7 localhost\n127.0.0.1 localhost");
    complete();
    assert_file("etc/hosts", LOCALHOST "10.0.0.7 localhost\n127.0.0.1 localhost\n" OWN_NAME);
    make_file("etc/hosts", "127.0.0.1 localhost\n2001:db8::7 db\tPE\n");
    complete();
    assert_file("etc/hosts", OWN_NAME "127.0.0.1 localhost\n2001:db8::7 db\tPE\n");
    complete();
    assert_file("etc/hosts", OWN_NAME "127.0.0.1 localhost\n2001:db8::7 db\tPE\n");
}

static void the_name_of_the_machine_that_built_the_image_is_replaced(void **state)
{
    (void)state;
    make_folder("etc");
    make_file("etc/hostname", "builder-7\n");
    complete();
    assert_file("etc/hostname", "pe\n");
}

static void links_are_followed_inside_the_root(void **state)
{
    (void)state;
    make_folder("data");
    make_folder("data/etc");
    make_file("data/hosts", "10.0.0.7 db\n");
    make_link("etc", "/data/etc");
    make_link("data/etc/hosts", "../../../data/hosts");
    make_link("data/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
    make_link("tmp", "/var/volatile/tmp");
    make_link("var", "data/../data/var");
    complete();
    assert_file("data/etc/hosts", "10.0.0.7 db\n" LOCALHOST OWN_NAME);
    assert_file("data/hosts", "10.0.0.7 db\n");
    assert_int_equal(access(below("data/etc/resolv.conf"), F_OK), 0);
    assert_folder("data/var/volatile/tmp", 01777);
    assert_folder("data/var/tmp", 01777);
}

static void what_cannot_be_completed_stays_as_it_is(void **state)
{
    (void)state;
    make_file("etc", "no folder");
    make_link("tmp", "tmp");
    make_link("var", "/dev/null");
    make_file("run", "no folder");
    complete();
    assert_file("etc", "no folder");
    assert_file("run", "no folder");
    assert_int_equal(access(below("tmp"), F_OK), -1);
    assert_folder("root", 0700);
}

static void a_hosts_file_that_is_no_file_stays(void **state)
{
    (void)state;
    make_folder("etc");
    make_folder("etc/hosts");
    assert_int_equal(mkfifo(below("etc/hostname"), 0644), 0);
    complete();
    assert_folder("etc/hosts", 0755);
    assert_int_equal(access(below("etc/resolv.conf"), F_OK), 0);
}

int main(void)
{
#define ROOT_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        ROOT_TEST(an_empty_image_gets_everything),
        ROOT_TEST(empty_files_count_as_missing),
        ROOT_TEST(what_is_right_is_not_touched),
        ROOT_TEST(missing_names_are_appended_to_the_hosts_of_an_image),
        ROOT_TEST(names_that_lead_elsewhere_are_found_first_at_the_loopback_interface),
        ROOT_TEST(the_name_of_the_machine_that_built_the_image_is_replaced),
        ROOT_TEST(links_are_followed_inside_the_root),
        ROOT_TEST(what_cannot_be_completed_stays_as_it_is),
        ROOT_TEST(a_hosts_file_that_is_no_file_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
