/* SPDX-License-Identifier: Apache-2.0 */
/* The folder of a VM, with what a VMM that was taken over may put there. */
#include "tests/unit/check.h"
#include "worker/vmm/run_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char base[] = "/tmp/pe-test-run-dir-XXXXXX";
static struct vm vm;

static int set_up_all(void **state)
{
    (void)state;
    return mkdtemp(base) ? 0 : -1;
}

static int tear_down_all(void **state)
{
    (void)state;
    return rmdir(base);
}

static int set_up(void **state)
{
    const struct vm_host host = {.run_dir = base, .uid = getuid(), .gid = getgid()};
    struct pe_error err;
    (void)state;
    return run_dir_make(&host, &vm, &err);
}

/* The folder goes with everything in it, so tear_down_all can remove the one above. */
static int tear_down(void **state)
{
    (void)state;
    run_dir_remove(&vm);
    return 0;
}

static const char *path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", vm.run_dir, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void make_socket(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path_of(name));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void a_file_of_the_vmm_is_opened(void **state)
{
    (void)state;
    struct pe_error err;
    char text[8] = "";
    write_file("state.json", "{}");
    int fd = run_dir_open_file(vm.run_dir, "state.json", &err);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, text, sizeof text), 2);
    assert_string_equal(text, "{}");
    close(fd);
    assert_int_equal(run_dir_open_file(vm.run_dir, "none", &err), -1);
    assert_error(err, PE_ERR_NOT_FOUND, "cannot open none");
}

/* Opening the pipe must not block, either. */
static void what_is_not_a_file_of_its_own_is_refused(void **state)
{
    (void)state;
    struct pe_error err;
    static const char *const names[] = {"symlink", "hardlink", "pipe", "folder", "socket"};
    write_file("file", "");
    assert_int_equal(symlink("/etc/hostname", path_of("symlink")), 0);
    char file[256];
    snprintf(file, sizeof file, "%s", path_of("file"));
    assert_int_equal(link(file, path_of("hardlink")), 0);
    assert_int_equal(mkfifo(path_of("pipe"), 0600), 0);
    assert_int_equal(mkdir(path_of("folder"), 0700), 0);
    make_socket("socket");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        assert_int_equal(run_dir_open_file(vm.run_dir, names[i], &err), -1);
        assert_error(err, PE_ERR_INTERNAL, names[i]);
    }
}

static void only_a_socket_can_be_connected_to(void **state)
{
    (void)state;
    struct pe_error err;
    char address[RUN_DIR_ADDRESS_MAX];
    struct stat status;
    make_socket("api.sock");
    int fd = run_dir_open_socket(path_of("api.sock"), &err);
    assert_true(fd >= 0);
    run_dir_socket_address(fd, address);
    assert_int_equal(stat(address, &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    close(fd);
    assert_int_equal(symlink("api.sock", path_of("symlink")), 0);
    assert_int_equal(run_dir_open_socket(path_of("symlink"), &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "is not a socket of its own");
    assert_int_equal(run_dir_open_socket(path_of("none"), &err), -1);
    assert_error(err, PE_ERR_NOT_FOUND, "none");
}

/* Deeper than a path can be long. */
static void a_folder_is_removed_whatever_is_in_it(void **state)
{
    (void)state;
    int at = open(vm.run_dir, O_RDONLY | O_DIRECTORY);
    for (int depth = 0; depth < 700; depth++) {
        int file = openat(at, "file", O_CREAT | O_WRONLY, 0);
        assert_true(file >= 0);
        close(file);
        assert_int_equal(mkdirat(at, "folder", 0700), 0);
        int below = openat(at, "folder", O_RDONLY | O_DIRECTORY);
        assert_true(below >= 0);
        close(at);
        at = below;
    }
    assert_int_equal(symlinkat("/etc", at, "link"), 0);
    assert_int_equal(fchmod(at, 0), 0);
    close(at);
    char path[sizeof vm.run_dir];
    snprintf(path, sizeof path, "%s", vm.run_dir);
    run_dir_remove(&vm);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_of_the_vmm_is_opened, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_a_file_of_its_own_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_a_socket_can_be_connected_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_folder_is_removed_whatever_is_in_it, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, set_up_all, tear_down_all);
}
