/* SPDX-License-Identifier: Apache-2.0 */
/* Starts the program `reach` in a VMM's place, by the driver, as a worker would: confined DRIVER REACH
 * KERNEL INITRAMFS RUN_DIR UID FOLDER CHECK... Prints for each check a line "== CHECK" and its answer,
 * of which "ended" means that the check ended the program. First it prints the protections of the jail
 * that are missing, after a line "== missing".
 *
 * It plays a host with things worth reaching: a process of the VMM's user, a TCP server, UNIX sockets,
 * shared memory, and in FOLDER the files `secret` and `writable`, a copy of `reach` called `program`, and
 * the socket `socket`. */
#include "base/cleanup.h"
#include "base/error.h"
#include "tests/vmm/reach.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail.h"
#include "worker/vmm/user_namespace.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MEMORY_MIB 64
#define WAIT_MS 60000

static void give_up(const char *what) __attribute__((noreturn));
static void give_up(const char *what)
{
    printf("error: %s: %s\n", what, strerror(errno));
    exit(2);
}

/* ---- the host ---- */

struct surroundings {
    const char *folder;
    pid_t victim;
    int port, shared_memory;
    key_t key;
    char abstract[64];
};

static pid_t start_victim(uid_t user)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (geteuid() == 0 &&
        (setgroups(0, NULL) < 0 || setresgid(user, user, user) < 0 || setresuid(user, user, user) < 0))
        _exit(1);
    prctl(PR_SET_DUMPABLE, 1); /* else nobody could trace it in any case */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        pause();
}

static int listen_at(const struct sockaddr *address, socklen_t length)
{
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, address, length) < 0 || listen(fd, 8) < 0)
        give_up("listen");
    return fd;
}

static int listen_on_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = listen_at((const struct sockaddr *)&address, length);
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
        give_up("getsockname");
    return ntohs(address.sin_port);
}

static void listen_on_unix(const struct surroundings *host)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/socket", host->folder);
    listen_at((const struct sockaddr *)&address, sizeof address);
    if (chmod(address.sun_path, 0777) < 0)
        give_up(address.sun_path);
    memset(address.sun_path, 0, sizeof address.sun_path);
    snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s", host->abstract);
    listen_at((const struct sockaddr *)&address,
              (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(host->abstract)));
}

static struct surroundings make_surroundings(const char *folder, uid_t user)
{
    struct surroundings host = {.folder = folder, .key = (key_t)(0x70650000 + getpid() % 65536)};
    snprintf(host.abstract, sizeof host.abstract, "pe-test-confined-%d", (int)getpid());
    host.victim = start_victim(user);
    host.port = listen_on_tcp();
    listen_on_unix(&host);
    host.shared_memory = shmget(host.key, 4096, IPC_CREAT | IPC_EXCL | 0666);
    if (host.victim < 0 || host.shared_memory < 0)
        give_up("surroundings");
    return host;
}

static void remove_surroundings(const struct surroundings *host)
{
    kill(host->victim, SIGKILL);
    waitpid(host->victim, NULL, 0);
    shmctl(host->shared_memory, IPC_RMID, NULL);
}

/* ---- the look from outside ---- */

static void print_status(pid_t pid)
{
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "Groups:", 7) ||
            !strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs:", 11) || !strncmp(line, "Seccomp:", 8))
            printf("%s", line);
    if (file)
        fclose(file);
}

static void print_shared_namespaces(pid_t pid)
{
    static const char *const names[] = {"mnt", "pid", "ipc", "uts", "net"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        struct stat its = {0}, ours = {0};
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)pid, names[i]);
        if (stat(path, &its) == 0) {
            snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
            if (stat(path, &ours) == 0 && its.st_ino == ours.st_ino)
                printf("shared namespace: %s\n", names[i]);
        } else {
            printf("unknown namespace: %s\n", names[i]);
        }
    }
}

/* Whether it is in the cgroups of this process. */
static void print_shared_cgroups(pid_t pid)
{
    char path[64], its[4096] = "", ours[4096] = "";
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC),
                     self = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && self >= 0 && read(fd, its, sizeof its - 1) > 0 && read(self, ours, sizeof ours - 1) > 0 &&
        !strcmp(its, ours))
        printf("shared cgroups\n");
}

/* The child of this process's parent that is neither this process nor the victim. */
static pid_t find_vmm(pid_t victim)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)getppid(), (int)getppid());
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
        return -1;
    char *rest = NULL;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        pid_t pid = (pid_t)strtol(word, NULL, 10);
        if (pid != getpid() && pid != victim)
            return pid;
    }
    return -1;
}

/* A process that waits until the VMM waits, looks at it, and kills it. */
static pid_t start_watcher(int report, pid_t victim)
{
    static const struct timespec pause_10ms = {.tv_nsec = 10000000};
    pid_t watcher = fork();
    if (watcher != 0)
        return watcher;
    char text[8] = "";
    for (int i = 0; i < WAIT_MS / 10 && strncmp(text, "waiting", 7) != 0; i++) {
        nanosleep(&pause_10ms, NULL);
        if (pread(report, text, 7, REPORT_ANSWER) < 0)
            break;
    }
    pid_t pid = find_vmm(victim);
    if (pid > 0) {
        print_status(pid);
        print_shared_namespaces(pid);
        print_shared_cgroups(pid);
        fflush(stdout);
        kill(pid, SIGKILL);
    }
    _exit(0);
}

/* ---- one check ---- */

static int make_report(const struct surroundings *host, const char *check)
{
    int fd = memfd_create("report", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, REPORT_BYTES) < 0)
        give_up("memfd_create");
    dprintf(fd,
            "check=%s\nvictim=%d\nport=%d\nabstract=%s\nkey=%d\nfolder=%s\nsecret=%s/secret\n"
            "writable=%s/writable\nprogram=%s/program\nsocket=%s/socket\n",
            check, (int)host->victim, host->port, host->abstract, (int)host->key, host->folder, host->folder,
            host->folder, host->folder, host->folder);
    return fd;
}

static void print_answer(int report)
{
    static char text[REPORT_BYTES - REPORT_ANSWER + 1];
    ssize_t n = pread(report, text, sizeof text - 1, REPORT_ANSWER);
    text[n > 0 ? n : 0] = '\0';
    size_t length = strlen(text);
    bool complete = length >= 4 && !strcmp(text + length - 4, "end\n");
    if (complete)
        text[length - 4] = '\0';
    printf("%s%s", text, complete ? "" : "ended\n");
}

static void run_check(const struct vm_host *host, const struct surroundings *around, const char *check)
{
    struct pe_error err;
    struct vm vm = VM_NONE;
    pe_autoclose int report = make_report(around, check);
    const bool savable = host->driver->save != NULL;
    struct vm_spec spec = {.memory_mib = MEMORY_MIB, .cpus = 1, .guest_options = "", .savable = savable};
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        spec.pmem[i].fd = -1;
    spec.pmem[VM_PMEM_OUTPUT] = (struct vm_pmem){report, REPORT_BYTES, true};
    printf("== %s\n", check);
    fflush(stdout);
    const bool waits = !strcmp(check, "wait");
    pid_t watcher = waits ? start_watcher(report, around->victim) : -1;
    /* A driver that talks to its VMM fails, because `reach` does not answer. */
    int failed = vm_boot(host, &spec, &vm, &err);
    struct pollfd ended = {.fd = vm.pidfd, .events = POLLIN};
    if (!failed)
        poll(&ended, 1, WAIT_MS);
    vm_kill(&vm);
    if (watcher > 0)
        waitpid(watcher, NULL, 0);
    if (!waits)
        print_answer(report);
}

static const struct vmm_driver *driver_of(const char *name)
{
    if (!strcmp(name, "uml"))
        return &vmm_uml;
    return !strcmp(name, "cloud-hypervisor") ? &vmm_cloud_hypervisor : &vmm_qemu;
}

static enum vm_accel accel_of(const char *name)
{
    if (!strcmp(name, "uml"))
        return VM_ACCEL_NONE;
    return strcmp(name, "qemu+tcg") != 0 ? VM_ACCEL_KVM : VM_ACCEL_TCG;
}

int main(int argc, char **argv)
{
    struct pe_error err;
    if (argc < 8)
        return 2;
    uid_t user = (uid_t)strtoul(argv[6], NULL, 10);
    struct vm_host host = {.driver = driver_of(argv[1]),
                           .accel = accel_of(argv[1]),
                           .cpu_flags = "",
                           .kernel = argv[3],
                           .initramfs = argv[4],
                           .qemu = argv[2],
                           .cloud_hypervisor = argv[2],
                           .uml_kernel = argv[2],
                           .run_dir = argv[5],
                           .uid = user,
                           .gid = user};
    if (user_namespace_enter(&err) < 0)
        fprintf(stderr, "%s\n", err.message);
    if (vm_host_confine(&host, &err) < 0) {
        printf("error: %s\n", err.message);
        return 2;
    }
    struct surroundings around = make_surroundings(argv[7], geteuid() == 0 ? user : geteuid());
    printf("== missing\n");
    for (int i = 0; i < JAIL_PROTECTION_COUNT; i++)
        if (!host.jail->report.findings[i].active)
            printf("%s\n", jail_protection_name(i));
    for (int i = 8; i < argc; i++)
        run_check(&host, &around, argv[i]);
    remove_surroundings(&around);
    vm_host_release(&host);
    return 0;
}
