/* SPDX-License-Identifier: Apache-2.0 */
/* The system call filters of VMMs: what the lists say, and what the kernel makes of it. Each test of a
 * filter makes its calls in a child process. */
#include "tests/unit/check.h"
#include "worker/vmm/syscalls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ptrace.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    const struct syscall_list *list;
} lists[] = {{"qemu with tcg", &syscalls_qemu_tcg},
             {"qemu with kvm", &syscalls_qemu_kvm},
             {"cloud-hypervisor", &syscalls_cloud_hypervisor},
             {"uml", &syscalls_uml},
             {"uml in seccomp mode", &syscalls_uml_seccomp},
             {"script", &syscalls_script}};
#define LISTS (sizeof lists / sizeof *lists)

/* One call, with what it returns: a negative errno if it fails. */
typedef long (*made_call)(void);

#define ENDS (-1000L) /* the process is ended by SIGSYS */
#define STRANGE (-1001L)

/* Make a call in a child whose calls are filtered. A child cannot return a number of any size, so every
 * success is 0. */
static long under(const struct syscall_list *list, made_call call)
{
    struct syscall_filter filter;
    struct pe_error err;
    int status = 0;
    assert_int_equal(syscall_filter_make(list, &filter, &err), 0);
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit no_core = {0, 0};
        if (setrlimit(RLIMIT_CORE, &no_core) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            syscall_filter_install(&filter) < 0)
            _exit(255);
        long result = call();
        _exit(result < 0 ? (int)-result : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status))
        return WEXITSTATUS(status) == 255 ? STRANGE : -(long)WEXITSTATUS(status);
    return WTERMSIG(status) == SIGSYS ? ENDS : STRANGE;
}

static long result_of(long returned)
{
    return returned < 0 ? -errno : 0;
}

#define expect(list, call, wanted)                                                          \
    do {                                                                                    \
        long made = under(list, call);                                                      \
        if (made != (wanted))                                                               \
            print_error("%s: %s gives %ld, not %ld\n", #list, #call, made, (long)(wanted)); \
        assert_int_equal(made, wanted);                                                     \
    } while (0)

#define expect_everywhere(call, wanted)              \
    for (size_t at = 0; at < LISTS; at++)            \
        if (under(lists[at].list, call) != (wanted)) \
    fail_msg("%s under the list of %s gives %ld", #call, lists[at].name, under(lists[at].list, call))

/* ---- calls ---- */

static long ask_pid(void)
{
    return result_of(getpid());
}

static void *do_nothing(void *nothing)
{
    return nothing;
}

static long start_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, do_nothing, NULL);
    return error ? -error : -pthread_join(thread, NULL);
}

static long execute(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return -errno;
}

static long start_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    return pid < 0 ? -errno : result_of(waitpid(pid, NULL, 0));
}

static long clone_new(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return result_of(pid);
}

static long clone_new_user(void)
{
    return clone_new(CLONE_NEWUSER);
}

static long clone_new_network(void)
{
    return clone_new(CLONE_NEWNET);
}

static long clone3(void)
{
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    return result_of(syscall(SYS_clone3, &arguments, sizeof arguments));
}

static long mount(void)
{
    return result_of(syscall(SYS_mount, NULL, NULL, NULL, 0, NULL));
}

static long leave_namespaces(void)
{
    return result_of(syscall(SYS_unshare, 0));
}

static long bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, NULL, 0));
}

static long read_other_process(void)
{
    return result_of(syscall(SYS_process_vm_readv, getppid(), NULL, 0, NULL, 0, 0));
}

static long future_call(void)
{
    return result_of(syscall(900));
}

static long attach(void)
{
    return result_of(syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), NULL, NULL));
}

static long be_traced(void)
{
    return result_of(syscall(SYS_ptrace, PTRACE_TRACEME, 0, NULL, NULL));
}

static long make_socket(int family)
{
    return result_of(socket(family, SOCK_STREAM, 0));
}

static long internet_socket(void)
{
    return make_socket(AF_INET);
}

static long netlink_socket(void)
{
    return result_of(socket(AF_NETLINK, SOCK_RAW, 0));
}

static long unix_socket(void)
{
    return make_socket(AF_UNIX);
}

static long socket_pair(int type)
{
    int ends[2];
    return result_of(socketpair(AF_UNIX, type, 0, ends));
}

static long stream_pair(void)
{
    return socket_pair(SOCK_STREAM | SOCK_CLOEXEC);
}

static long datagram_pair(void)
{
    return socket_pair(SOCK_DGRAM);
}

static long connect_to_name(void)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/nowhere"};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    return result_of(connect(fd, (const struct sockaddr *)&address, sizeof address));
}

static long map(int protection)
{
    return mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -errno : 0;
}

static long map_writable(void)
{
    return map(PROT_READ | PROT_WRITE);
}

static long map_writable_and_executable(void)
{
    return map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static long make_executable(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? -errno : result_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static long control_terminal(void)
{
    return result_of(ioctl(0, TIOCSTI, "x"));
}

/* The kernel answers that there is no such descriptor, and the filter that it is no device for that. */
static long control_kvm(void)
{
    return result_of(ioctl(-1, 0xae80, 0));
}

static long signal_on_input(void)
{
    int ends[2];
    return pipe(ends) < 0 ? -errno : result_of(fcntl(ends[0], F_SETOWN, getpid()));
}

static long raise_limit(void)
{
    const struct rlimit limit = {1 << 20, 1 << 20};
    return result_of(setrlimit(RLIMIT_CORE, &limit));
}

static long read_limit(void)
{
    struct rlimit limit;
    return result_of(getrlimit(RLIMIT_CORE, &limit));
}

static long in_a_child(void)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        mount();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? 0 : -EPROTO;
}

#ifdef __x86_64__
static long x32_call(void)
{
    return result_of(syscall(0x40000000 | SYS_getpid));
}

/* getpid(2) by the conventions of 32-bit programs, where it is number 20. On x86-64, 20 is writev. */
static long i386_call(void)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory");
    return result < 0 ? result : 0;
}
#endif

/* ---- tests ---- */

static void rules_about_one_call_follow_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++)
        for (size_t part = 0; part < SYSCALL_PARTS_MAX && lists[i].list->parts[part]; part++) {
            const struct syscall_rule *rules = lists[i].list->parts[part];
            for (size_t a = 0; rules[a].number >= 0; a++)
                for (size_t b = a + 1; rules[b].number >= 0; b++)
                    if (rules[a].number == rules[b].number && rules[b - 1].number != rules[b].number)
                        fail_msg("%s: the rules about call %d are apart", lists[i].name, rules[a].number);
        }
}

static void a_vmm_can_execute_its_program_and_start_threads(void **state)
{
    (void)state;
    expect_everywhere(ask_pid, 0);
    expect_everywhere(execute, 0);
    expect_everywhere(start_thread, 0);
    expect_everywhere(map_writable, 0);
    expect_everywhere(read_limit, 0);
}

static void a_call_without_a_rule_ends_the_process(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++) {
        long wanted = lists[i].list->otherwise ? -lists[i].list->otherwise : ENDS;
        assert_int_equal(under(lists[i].list, mount), wanted);
        assert_int_equal(under(lists[i].list, leave_namespaces), wanted);
        assert_int_equal(under(lists[i].list, bpf), wanted);
        assert_int_equal(under(lists[i].list, read_other_process), wanted);
    }
}

static void a_call_that_is_newer_than_the_lists_does_not_exist(void **state)
{
    (void)state;
    expect_everywhere(future_call, -ENOSYS);
}

static void no_vmm_makes_namespaces(void **state)
{
    (void)state;
    for (size_t i = 0; i < LISTS; i++) {
        long wanted = lists[i].list->otherwise ? -lists[i].list->otherwise : ENDS;
        assert_int_equal(under(lists[i].list, clone_new_user), wanted);
        assert_int_equal(under(lists[i].list, clone_new_network), wanted);
    }
    expect_everywhere(clone3, -ENOSYS);
}

static void only_user_mode_linux_and_scripts_start_processes(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, start_process, ENDS);
    expect(&syscalls_qemu_kvm, start_process, ENDS);
    expect(&syscalls_cloud_hypervisor, start_process, ENDS);
    expect(&syscalls_uml, start_process, 0);
    expect(&syscalls_script, start_process, 0);
}

static void only_user_mode_linux_traces_processes_and_none_that_did_not_ask_for_it(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, be_traced, ENDS);
    expect(&syscalls_uml, be_traced, 0);
    expect(&syscalls_uml, attach, ENDS);
    expect(&syscalls_uml_seccomp, attach, -ENOSYS);
}

static void no_vmm_makes_a_network_socket(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, internet_socket, -EACCES);
    expect(&syscalls_qemu_tcg, unix_socket, -EACCES);
    expect(&syscalls_cloud_hypervisor, internet_socket, -EACCES);
    expect(&syscalls_cloud_hypervisor, unix_socket, 0);
    expect(&syscalls_uml, internet_socket, -EACCES);
    expect(&syscalls_uml, netlink_socket, -EACCES);
    expect(&syscalls_script, internet_socket, -EAFNOSUPPORT);
}

static void no_vmm_reaches_a_socket_that_has_a_name(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, datagram_pair, ENDS);
    expect(&syscalls_qemu_tcg, connect_to_name, ENDS);
    expect(&syscalls_uml, stream_pair, 0);
    expect(&syscalls_uml, datagram_pair, -EACCES);
    expect(&syscalls_uml, connect_to_name, ENDS);
    expect(&syscalls_cloud_hypervisor, datagram_pair, -EACCES);
    expect(&syscalls_cloud_hypervisor, connect_to_name, -EACCES);
}

static void memory_is_writable_and_executable_only_where_programs_are_translated(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, map_writable_and_executable, 0);
    expect(&syscalls_uml, map_writable_and_executable, 0);
    expect(&syscalls_qemu_kvm, map_writable_and_executable, ENDS);
    expect(&syscalls_qemu_kvm, make_executable, ENDS);
    expect(&syscalls_cloud_hypervisor, map_writable_and_executable, ENDS);
}

static void devices_are_controlled_only_with_kvms_requests(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, control_terminal, -ENOTTY);
    expect(&syscalls_qemu_kvm, control_terminal, -ENOTTY);
    expect(&syscalls_cloud_hypervisor, control_terminal, -ENOTTY);
    expect(&syscalls_uml, control_terminal, -ENOTTY);
}

static void only_vmms_with_kvm_make_its_requests(void **state)
{
    (void)state;
    expect(&syscalls_qemu_kvm, control_kvm, -EBADF);
    expect(&syscalls_cloud_hypervisor, control_kvm, -EBADF);
    expect(&syscalls_qemu_tcg, control_kvm, -ENOTTY);
    expect(&syscalls_uml, control_kvm, -ENOTTY);
    expect(&syscalls_uml_seccomp, control_kvm, -ENOTTY);
}

static void arguments_are_checked(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, signal_on_input, -EINVAL);
    expect(&syscalls_uml, signal_on_input, 0);
    expect(&syscalls_qemu_tcg, raise_limit, -EPERM);
}

static void children_have_the_filter_too(void **state)
{
    (void)state;
    expect(&syscalls_uml, in_a_child, 0);
}

#ifdef __x86_64__
static void calls_by_other_conventions_end_the_process(void **state)
{
    (void)state;
    expect(&syscalls_qemu_tcg, x32_call, ENDS);
    expect(&syscalls_qemu_tcg, i386_call, ENDS);
    expect(&syscalls_uml, i386_call, ENDS);
    /* In seccomp mode the guest's programs may try, and the kernel's own filter has to see it. */
    expect(&syscalls_uml_seccomp, i386_call, -ENOSYS);
}
#endif

static void a_script_has_the_list_of_scripts(void **state)
{
    (void)state;
    char path[] = "/tmp/pe-test-script-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_ptr_equal(syscalls_for_program(path, &syscalls_uml), &syscalls_uml);
    assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
    assert_ptr_equal(syscalls_for_program(path, &syscalls_uml), &syscalls_script);
    close(fd);
    unlink(path);
    assert_ptr_equal(syscalls_for_program("/bin/true", &syscalls_uml), &syscalls_uml);
    assert_ptr_equal(syscalls_for_program("/nowhere", &syscalls_uml), &syscalls_uml);
}

static void a_list_that_is_too_long_is_refused(void **state)
{
    (void)state;
    static struct syscall_rule rules[SYSCALL_FILTER_MAX];
    const struct syscall_list list = {.parts = {rules}};
    struct syscall_filter filter;
    struct pe_error err;
    for (int i = 0; i < SYSCALL_FILTER_MAX - 1; i++)
        rules[i] = (struct syscall_rule){.number = i};
    rules[SYSCALL_FILTER_MAX - 1].number = -1;
    assert_true(syscall_filter_make(&list, &filter, &err) < 0);
    assert_error(err, PE_ERR_TOO_LARGE, "too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules_about_one_call_follow_each_other),
        cmocka_unit_test(a_vmm_can_execute_its_program_and_start_threads),
        cmocka_unit_test(a_call_without_a_rule_ends_the_process),
        cmocka_unit_test(a_call_that_is_newer_than_the_lists_does_not_exist),
        cmocka_unit_test(no_vmm_makes_namespaces),
        cmocka_unit_test(only_user_mode_linux_and_scripts_start_processes),
        cmocka_unit_test(only_user_mode_linux_traces_processes_and_none_that_did_not_ask_for_it),
        cmocka_unit_test(no_vmm_makes_a_network_socket),
        cmocka_unit_test(no_vmm_reaches_a_socket_that_has_a_name),
        cmocka_unit_test(memory_is_writable_and_executable_only_where_programs_are_translated),
        cmocka_unit_test(devices_are_controlled_only_with_kvms_requests),
        cmocka_unit_test(only_vmms_with_kvm_make_its_requests),
        cmocka_unit_test(arguments_are_checked),
        cmocka_unit_test(children_have_the_filter_too),
#ifdef __x86_64__
        cmocka_unit_test(calls_by_other_conventions_end_the_process),
#endif
        cmocka_unit_test(a_script_has_the_list_of_scripts),
        cmocka_unit_test(a_list_that_is_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
