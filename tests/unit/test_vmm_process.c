/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a process in the place of a VMM: what its owner learns when it does not get that far. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

static char program[] = "/bin/true", missing[] = "/bin/no-such-program";

static struct jail jail;

/* A jail with nothing but this process's own rights, in which the program can be executed. */
static int set_up(void **state)
{
    struct pe_error err;
    (void)state;
    jail = (struct jail){.root = -1, .empty_root = -1, .cgroups = CGROUP_BASE_NONE};
    return jail_files_add_program(&jail.files, "/bin/true", &err);
}

static int tear_down(void **state)
{
    (void)state;
    jail_files_free(&jail.files);
    return 0;
}

/* Start the program, wait for its end, and copy what is in its log. */
static void run(char *path, char log[256])
{
    char *const argv[] = {path, NULL};
    const struct vm_host host = {.uid = geteuid(), .gid = getegid(), .jail = &jail};
    const struct vmm_process_needs needs = {.memory_mib = 1, .cpus = 1, .processes = 64};
    struct fd_list fds = {.count = 0};
    struct vm vm = VM_NONE;
    struct pe_error err;
    vm.log_fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(vm.log_fd >= 0);
    if (vmm_process_start(&host, argv, &fds, &needs, &vm, &err) < 0)
        fail_msg("%s", err.message);
    struct pollfd ended = {.fd = vm.pidfd, .events = POLLIN};
    assert_int_equal(poll(&ended, 1, 180000), 1);
    vmm_process_kill(&vm);
    ssize_t size = pread(vm.log_fd, log, 255, 0);
    log[size > 0 ? size : 0] = '\0';
    close(vm.pidfd);
    close(vm.log_fd);
}

static void a_program_that_starts_says_nothing(void **state)
{
    (void)state;
    char log[256];
    run(program, log);
    assert_string_equal(log, "");
}

static void the_log_of_a_vmm_says_why_it_could_not_enter_its_jail(void **state)
{
    (void)state;
    char log[256];
    pe_autoclose int no_namespace = open("/dev/null", O_RDONLY | O_CLOEXEC);
    jail.root = no_namespace;
    run(program, log);
    assert_string_equal(log, "cannot start /bin/true: Invalid argument\n");
}

static void the_log_of_a_vmm_says_that_there_is_no_such_program(void **state)
{
    (void)state;
    char log[256];
    run(missing, log);
    assert_string_equal(log, "cannot start /bin/no-such-program: No such file or directory\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_program_that_starts_says_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_of_a_vmm_says_why_it_could_not_enter_its_jail, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_log_of_a_vmm_says_that_there_is_no_such_program, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
