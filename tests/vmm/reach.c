/* SPDX-License-Identifier: Apache-2.0 */
/* A program that runs in a VMM's place, in its jail, and tries what it can reach. tests/vmm/confined.c
 * starts it once for each check, because a call that the filter does not allow ends it.
 *
 * Of the descriptors that it inherits, one is a file of REPORT_BYTES (tests/vmm/reach.h). It begins with
 * the task, as lines NAME=VALUE, and takes the answer. An answer ends with the line "end"; without it,
 * the check ended the program. `reach list` prints the names of the checks. It is a static program, since
 * the jail has the libraries of a VMM only. */
#include "tests/vmm/reach.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int report = -1;
static off_t answered = REPORT_ANSWER;
static char task[REPORT_ANSWER];
static char **environment;

__attribute__((format(printf, 1, 2))) static void answer(const char *format, ...)
{
    char line[4200];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(line, sizeof line - 1, format, list);
    va_end(list);
    size_t length = n > 0 ? (size_t)n < sizeof line - 1 ? (size_t)n : sizeof line - 2 : 0;
    line[length++] = '\n';
    if (pwrite(report, line, length, answered) > 0)
        answered += (off_t)length;
}

/* What a call that has to fail did. */
static void answer_call(long returned)
{
    if (returned >= 0)
        answer("reached");
    else
        answer("denied: %s", strerrorname_np(errno));
}

static const char *value_of(const char *name)
{
    static char value[1024];
    size_t length = strlen(name);
    for (const char *line = task; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (!strncmp(line, name, length) && line[length] == '=') {
            snprintf(value, sizeof value, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
            return value;
        }
    }
    return "";
}

static long number_of(const char *name)
{
    return strtol(value_of(name), NULL, 10);
}

/* ---- files ---- */

static bool can_open(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    close(fd);
    return true;
}

static void visit(const char *path, int depth);

static void visit_entries(DIR *folder, const char *path, int depth)
{
    for (struct dirent *entry; (entry = readdir(folder));) {
        char below[4096];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(below, sizeof below, "%s/%s", strcmp(path, "/") ? path : "", entry->d_name);
        visit(below, depth + 1);
    }
}

static void visit_folder(const char *path, int depth)
{
    char new[4200];
    snprintf(new, sizeof new, "%s/reach-was-here", strcmp(path, "/") ? path : "");
    if (can_open(new, O_WRONLY | O_CREAT | O_EXCL))
        answer("create %s", path);
    DIR *folder = opendir(path);
    if (!folder)
        return;
    answer("list %s", path);
    visit_entries(folder, path, depth);
    closedir(folder);
}

static void visit(const char *path, int depth)
{
    struct stat status;
    if (depth > 24 || lstat(path, &status) < 0)
        return;
    if (S_ISLNK(status.st_mode))
        return;
    if (S_ISDIR(status.st_mode)) {
        visit_folder(path, depth);
        return;
    }
    if (can_open(path, O_RDONLY))
        answer("read %s", path);
    if (can_open(path, O_WRONLY))
        answer("write %s", path);
}

static void check_files(void)
{
    visit("/", 0);
}

/* Files of the host that everybody may use, as far as the host is concerned. */
static void check_open_outside(void)
{
    answer_call(open(value_of("secret"), O_RDONLY));
}

static void check_write_outside(void)
{
    answer_call(open(value_of("writable"), O_WRONLY));
}

static void check_create_outside(void)
{
    char path[1100];
    snprintf(path, sizeof path, "%s/new", value_of("folder"));
    answer_call(open(path, O_WRONLY | O_CREAT, 0600));
}

static void check_list_outside(void)
{
    answer_call(open(value_of("folder"), O_RDONLY | O_DIRECTORY));
}

static void check_see_outside(void)
{
    struct stat status;
    answer_call(stat(value_of("secret"), &status));
}

/* The new program answers instead of this one. */
static void check_execute_outside(void)
{
    char name[] = "reach", variable[] = "REACH_EXECUTED=1";
    char *const argv[] = {name, NULL}, *const new_environment[] = {variable, NULL};
    answer_call(execve(value_of("program"), argv, new_environment));
}

static void check_climb(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 16 && fd >= 0; i++)
        fd = openat(fd, "..", O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        fd = AT_FDCWD;
    answer_call(openat(fd, value_of("secret") + 1, O_RDONLY));
}

static void check_open_memory(void)
{
    answer_call(open("/dev/mem", O_RDONLY));
}

/* ---- what is inherited ---- */

static const char *type_of(mode_t mode)
{
    return S_ISREG(mode)    ? "file"
           : S_ISCHR(mode)  ? "device"
           : S_ISSOCK(mode) ? "socket"
           : S_ISDIR(mode)  ? "folder"
           : S_ISFIFO(mode) ? "pipe"
                            : "other";
}

static void check_descriptors(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        struct stat status;
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && fstat(fd, &status) == 0)
            answer("%s %s %s", type_of(status.st_mode), (flags & O_ACCMODE) == O_RDONLY ? "read" : "write",
                   status.st_nlink ? "named" : "unnamed");
    }
}

/* How much it can print: nobody reads it. */
static void check_print(void)
{
    static const char block[4096];
    long long total = 0;
    for (ssize_t n = 0; total < 8 << 20 && (n = write(STDOUT_FILENO, block, sizeof block)) > 0;)
        total += n;
    answer("%lld", total);
}

static void check_environment(void)
{
    for (char **variable = environment; *variable; variable++)
        answer("%s", *variable);
}

static void check_limits(void)
{
    static const struct {
        const char *name;
        int resource;
    } limits[] = {{"core", RLIMIT_CORE},
                  {"nofile", RLIMIT_NOFILE},
                  {"msgqueue", RLIMIT_MSGQUEUE},
                  {"memlock", RLIMIT_MEMLOCK}};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct rlimit limit;
        if (getrlimit((__rlimit_resource_t)limits[i].resource, &limit) == 0)
            answer("%s %llu", limits[i].name, (unsigned long long)limit.rlim_max);
    }
}

static void check_raise_limit(void)
{
    const struct rlimit limit = {1u << 20, 1u << 20};
    answer_call(setrlimit(RLIMIT_NOFILE, &limit));
}

static void check_folder(void)
{
    char path[1024];
    answer("%s", getcwd(path, sizeof path) ? path : "none");
}

static void check_name(void)
{
    char name[256] = "";
    gethostname(name, sizeof name);
    answer("%s", name);
}

/* Wait to be looked at from outside. */
static void check_wait(void)
{
    answer("waiting");
    poll(NULL, 0, -1);
}

/* ---- processes ---- */

static void check_kill(void)
{
    answer_call(kill((pid_t)number_of("victim"), 0));
}

static void check_tgkill(void)
{
    answer_call(syscall(SYS_tgkill, number_of("victim"), number_of("victim"), 0));
}

static void check_attach(void)
{
    answer_call(ptrace(PTRACE_ATTACH, (pid_t)number_of("victim"), NULL, NULL));
}

static void check_read_process(void)
{
    answer_call(syscall(SYS_process_vm_readv, number_of("victim"), NULL, 0, NULL, 0, 0));
}

static void check_open_process(void)
{
    answer_call(syscall(SYS_pidfd_open, number_of("victim"), 0));
}

static void check_see_process(void)
{
    answer_call(getpgid((pid_t)number_of("victim")));
}

static void check_read_environment(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/environ", number_of("victim"));
    answer_call(open(path, O_RDONLY));
}

static void check_limit_process(void)
{
    const struct rlimit limit = {0, 0};
    answer_call(prlimit((pid_t)number_of("victim"), RLIMIT_CORE, &limit, NULL));
}

static void check_signal_by_descriptor(void)
{
    int ends[2];
    if (pipe(ends) < 0)
        answer("denied: no pipe");
    else
        answer_call(fcntl(ends[0], F_SETOWN, (int)number_of("victim")));
}

/* ---- networks ---- */

static int connect_to(int family, const struct sockaddr *address, socklen_t length)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return fd < 0 ? fd : connect(fd, address, length);
}

static void check_tcp(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)number_of("port")),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    answer_call(connect_to(AF_INET, (const struct sockaddr *)&address, sizeof address));
}

static void check_abstract(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = value_of("abstract");
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", name);
    answer_call(connect_to(AF_UNIX, (const struct sockaddr *)&address,
                           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name))));
}

static void check_unix(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", value_of("socket"));
    answer_call(connect_to(AF_UNIX, (const struct sockaddr *)&address, sizeof address));
}

static void check_socket_families(void)
{
    for (int family = 2; family < 46; family++)
        for (int type = SOCK_STREAM; type <= SOCK_RAW; type++) {
            int fd = socket(family, type, 0);
            if (fd >= 0) {
                answer("reached: family %d", family);
                close(fd);
            }
        }
}

/* ---- namespaces, mounts, IPC ---- */

static long clone_into(unsigned long flags)
{
    long pid = syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0);
    if (pid == 0)
        _exit(0);
    return pid;
}

static void check_clone_user(void)
{
    answer_call(clone_into(CLONE_NEWUSER));
}

static void check_clone_mounts(void)
{
    answer_call(clone_into(CLONE_NEWNS));
}

static void check_clone3(void)
{
    struct clone_args arguments = {.flags = CLONE_NEWUSER, .exit_signal = SIGCHLD};
    long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        _exit(0);
    answer_call(pid);
}

static void check_unshare(void)
{
    answer_call(unshare(CLONE_NEWUSER));
}

static void check_setns(void)
{
    int fd = open("/proc/1/ns/net", O_RDONLY);
    answer_call(setns(fd < 0 ? 0 : fd, 0));
}

static void check_chroot(void)
{
    answer_call(chroot("/"));
}

static void check_mount(void)
{
    answer_call(syscall(SYS_mount, "none", "/", "tmpfs", 0, NULL));
}

static void check_umount(void)
{
    answer_call(syscall(SYS_umount2, "/proc", 2));
}

static void check_new_mount(void)
{
    answer_call(syscall(SYS_fsopen, "tmpfs", 0));
}

static void check_shared_memory(void)
{
    answer_call(syscall(SYS_shmget, number_of("key"), 1, 0));
}

static void check_message_queue(void)
{
    const struct mq_attr attributes = {.mq_maxmsg = 1, .mq_msgsize = 1};
    answer_call(syscall(SYS_mq_open, "reach", O_RDWR | O_CREAT, 0600, &attributes));
}

/* ---- the kernel ---- */

#define CALL(name, ...)                                \
    static void check_##name(void)                     \
    {                                                  \
        answer_call(syscall(SYS_##name, __VA_ARGS__)); \
    }
CALL(setuid, 0)
CALL(capset, NULL, NULL)
CALL(bpf, 0, NULL, 0)
CALL(perf_event_open, NULL, 0, -1, -1, 0)
CALL(io_uring_setup, 1, NULL)
CALL(keyctl, 0, 0, 0, 0, 0)
CALL(add_key, "user", "reach", "x", 1, -2)
CALL(userfaultfd, 1)
CALL(finit_module, 0, "", 0)
CALL(syslog, 3, NULL, 0)
CALL(settimeofday, NULL, NULL)
CALL(sethostname, "reach", 5)
CALL(reboot, 0, 0, 0, 0)
CALL(swapon, "/", 0)
CALL(quotactl, 0, NULL, 0, NULL)
CALL(open_by_handle_at, 0, NULL, 0)
CALL(fanotify_init, 0, 0)
CALL(setpriority, 0, 0, -20)
CALL(sched_setscheduler, 0, 1, NULL)
CALL(memfd_secret, 0)

static void check_new_call(void)
{
    answer_call(syscall(900));
}

/* ---- the list ---- */

static const struct {
    const char *name;
    void (*run)(void);
} checks[] = {
    {"files", check_files},
    {"open outside", check_open_outside},
    {"write outside", check_write_outside},
    {"create outside", check_create_outside},
    {"list outside", check_list_outside},
    {"see outside", check_see_outside},
    {"execute outside", check_execute_outside},
    {"climb", check_climb},
    {"open memory", check_open_memory},
    {"descriptors", check_descriptors},
    {"print", check_print},
    {"environment", check_environment},
    {"limits", check_limits},
    {"raise limit", check_raise_limit},
    {"folder", check_folder},
    {"name", check_name},
    {"wait", check_wait},
    {"kill", check_kill},
    {"tgkill", check_tgkill},
    {"attach", check_attach},
    {"read process", check_read_process},
    {"open process", check_open_process},
    {"see process", check_see_process},
    {"read environment", check_read_environment},
    {"limit process", check_limit_process},
    {"signal by descriptor", check_signal_by_descriptor},
    {"tcp", check_tcp},
    {"abstract", check_abstract},
    {"unix", check_unix},
    {"socket families", check_socket_families},
    {"clone user", check_clone_user},
    {"clone mounts", check_clone_mounts},
    {"clone3", check_clone3},
    {"unshare", check_unshare},
    {"setns", check_setns},
    {"chroot", check_chroot},
    {"mount", check_mount},
    {"umount", check_umount},
    {"new mount", check_new_mount},
    {"shared memory", check_shared_memory},
    {"message queue", check_message_queue},
    {"setuid", check_setuid},
    {"capset", check_capset},
    {"bpf", check_bpf},
    {"perf", check_perf_event_open},
    {"io_uring", check_io_uring_setup},
    {"keyctl", check_keyctl},
    {"add key", check_add_key},
    {"userfaultfd", check_userfaultfd},
    {"module", check_finit_module},
    {"kernel log", check_syslog},
    {"clock", check_settimeofday},
    {"host name", check_sethostname},
    {"reboot", check_reboot},
    {"swap", check_swapon},
    {"quota", check_quotactl},
    {"file handles", check_open_by_handle_at},
    {"fanotify", check_fanotify_init},
    {"priority", check_setpriority},
    {"real time", check_sched_setscheduler},
    {"secret memory", check_memfd_secret},
    {"new call", check_new_call},
};

static int find_report(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        struct stat status;
        int flags = fcntl(fd, F_GETFL);
        if (flags >= 0 && (flags & O_ACCMODE) == O_RDWR && fstat(fd, &status) == 0 &&
            S_ISREG(status.st_mode) && status.st_size == REPORT_BYTES)
            return fd;
    }
    return -1;
}

int main(int argc, char **argv, char **envp)
{
    const size_t count = sizeof checks / sizeof *checks;
    environment = envp;
    if (argc == 2 && !strcmp(argv[1], "list")) {
        for (size_t i = 0; i < count; i++)
            puts(checks[i].name);
        return 0;
    }
    report = find_report();
    if (report < 0 || pread(report, task, sizeof task - 1, 0) <= 0)
        return 2;
    if (getenv("REACH_EXECUTED"))
        answer("reached");
    else
        for (size_t i = 0; i < count; i++)
            if (!strcmp(checks[i].name, value_of("check")))
                checks[i].run();
    answer("end");
    return 0;
}
