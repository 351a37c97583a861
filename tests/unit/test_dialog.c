/* SPDX-License-Identifier: Apache-2.0 */
/* The process that talks to a VMM: what it can reach after the VMM has taken it over, and what its parent
 * accepts from it. */
#include "base/cleanup.h"
#include "base/fd_message.h"
#include "base/io.h"
#include "tests/unit/check.h"
#include "worker/vmm/dialog.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NOBODY 2147000000u

/* Descriptors of the worker, and one for the process. */
struct given {
    int secret, own;
};

static struct vm_host host = {.uid = NOBODY, .gid = NOBODY};

static int run(vmm_talk *talk, struct vm *vm, struct given *given, uint64_t wait_us, struct pe_error *err)
{
    return vmm_dialog(&host, vm, pe_now_us() + wait_us, talk, given, given ? given->own : -1, err);
}

#define WAIT_US 180000000u

/* ---- from inside ---- */

static int report(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_BUSY, "allowed: %s", what);
}

static int reach_out(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    const struct given *given = context;
    char path[256];
    (void)unused;
    if (fcntl(given->secret, F_GETFD) >= 0)
        return report(err, "descriptors of the worker");
    if (fcntl(given->own, F_GETFD) < 0)
        return pe_fail_errno(err, "denied: its own descriptor");
    if (geteuid() == 0 || setresuid(0, 0, 0) == 0)
        return report(err, "root");
    if (open("/etc/passwd", O_RDONLY) >= 0 || errno != EACCES)
        return report(err, "reading files");
    snprintf(path, sizeof path, "%s/../outside", vm->run_dir);
    if (open(path, O_CREAT | O_WRONLY, 0600) >= 0)
        return report(err, "files beside the folder");
    snprintf(path, sizeof path, "%s/inside", vm->run_dir);
    if (open(path, O_CREAT | O_RDWR, 0600) < 0)
        return pe_fail_errno(err, "denied: a file in the folder");
    if (socket(AF_INET, SOCK_STREAM, 0) >= 0)
        return report(err, "networks");
    if (kill(getppid(), 0) == 0 || syscall(SYS_tgkill, getppid(), getppid(), 0) == 0)
        return report(err, "signals");
    if (syscall(SYS_fork) >= 0 || syscall(SYS_ptrace, 0, 0, 0, 0) == 0 || syscall(SYS_unshare, 0) == 0)
        return report(err, "processes");
    execl("/bin/true", "true", NULL);
    return errno == EPERM ? 0 : report(err, "programs");
}

static void a_vmm_that_takes_it_over_reaches_only_the_folder_of_its_vm(void **state)
{
    (void)state;
    struct pe_error err;
    char folder[] = "/tmp/pe-test-dialog-XXXXXX", path[64];
    struct vm vm = VM_NONE;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(chmod(folder, 0711), 0);
    snprintf(vm.run_dir, sizeof vm.run_dir, "%s/vm", folder);
    assert_int_equal(mkdir(vm.run_dir, 0700), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(vm.run_dir, NOBODY, NOBODY), 0);
    struct given given = {.secret = memfd_create("secret", 0), .own = memfd_create("own", 0)};
    if (run(reach_out, &vm, &given, WAIT_US, &err) < 0)
        fail_msg("%s", err.message);
    snprintf(path, sizeof path, "%s/inside", vm.run_dir);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(vm.run_dir), 0);
    assert_int_equal(rmdir(folder), 0); /* nothing else is in it */
    close(given.secret);
    close(given.own);
}

/* ---- what the parent accepts ---- */

static int give_port(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    (void)unused, (void)context, (void)err;
    vm->serial_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    vm->spawn_us = 11;
    vm->restore_us = 22;
    vm->pid = 1;
    return 0;
}

static int give_memory(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    (void)unused, (void)context, (void)err;
    vm->serial_fd = memfd_create("no socket", 0);
    return 0;
}

static void a_serial_port_and_times_come_back_and_nothing_else(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm vm = VM_NONE;
    assert_int_equal(run(give_port, &vm, NULL, WAIT_US, &err), 0);
    assert_true(vm.serial_fd >= 0 && (fcntl(vm.serial_fd, F_GETFL) & O_NONBLOCK));
    assert_true(vm.spawn_us == 11 && vm.restore_us == 22 && vm.pid == -1);
    close(vm.serial_fd);
}

static void a_port_that_is_no_socket_is_refused(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm vm = VM_NONE;
    assert_int_equal(run(give_memory, &vm, NULL, WAIT_US, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "the process that talks to a VMM sent a wrong descriptor");
    assert_int_equal(vm.serial_fd, -1);
}

static int fail_oddly(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    (void)unused, (void)vm, (void)context;
    memset(err->message, 'x', sizeof err->message); /* without an end */
    err->kind = 99;
    return -1;
}

static void an_error_without_an_end_or_of_no_kind_does_no_harm(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm vm = VM_NONE;
    assert_int_equal(run(fail_oddly, &vm, NULL, WAIT_US, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INTERNAL);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static int count_descriptors(void)
{
    int count = 0;
    pe_autodir DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder))
        count++;
    return count;
}

/* Send less than an answer over the socket to the parent, and a descriptor with it. */
static int answer_too_little(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    static const int given = STDERR_FILENO;
    (void)unused, (void)vm, (void)context, (void)err;
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
        int type = 0;
        socklen_t size = sizeof type;
        if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET)
            _exit(pe_fd_message_send(fd, "x", 1, &given, 1) != 1);
    }
    return -1;
}

static void what_comes_with_an_answer_that_is_cut_is_closed(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm vm = VM_NONE;
    const int before = count_descriptors();
    assert_int_equal(run(answer_too_little, &vm, NULL, WAIT_US, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "the process that talks to a VMM has ended");
    assert_int_equal(vm.serial_fd, -1);
    assert_int_equal(count_descriptors(), before);
}

static int die(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    (void)unused, (void)vm, (void)context, (void)err;
    _exit(3);
    return -1;
}

static int hang(const struct vm_host *unused, struct vm *vm, void *context, struct pe_error *err)
{
    (void)unused, (void)vm, (void)context, (void)err;
    while (pause() < 0)
        ;
    return -1;
}

static void a_process_that_dies_or_hangs_is_an_error(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm vm = VM_NONE;
    assert_int_equal(run(die, &vm, NULL, WAIT_US, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "the process that talks to a VMM has ended");
    assert_int_equal(run(hang, &vm, NULL, 0, &err), -1);
    assert_int_equal(err.kind, PE_ERR_TIMEOUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vmm_that_takes_it_over_reaches_only_the_folder_of_its_vm),
        cmocka_unit_test(a_serial_port_and_times_come_back_and_nothing_else),
        cmocka_unit_test(a_port_that_is_no_socket_is_refused),
        cmocka_unit_test(an_error_without_an_end_or_of_no_kind_does_no_harm),
        cmocka_unit_test(what_comes_with_an_answer_that_is_cut_is_closed),
        cmocka_unit_test(a_process_that_dies_or_hangs_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
