/* SPDX-License-Identifier: Apache-2.0 */
/* What a hostile program might do in a guest: hostile NAME, with one NAME for each behaviour. Used
 * by tests only. It is linked statically, so that it runs in any image. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

/* Children that fork for ever, from as many processes as there may be. */
static int __attribute__((noreturn)) fork_bomb(void)
{
    printf("before\n");
    fflush(stdout);
    for (;;)
        if (fork() < 0)
            usleep(1000);
}

/* A grandchild in its own session that ignores signals and holds on to the pipes. */
static int daemonise(void)
{
    if (fork() == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        signal(SIGHUP, SIG_IGN);
        if (fork() == 0)
            for (;;)
                pause();
        _exit(0);
    }
    wait(NULL);
    printf("parent ends\n");
    return 0;
}

/* Ignore every signal that can be ignored, print, and stay. */
static int __attribute__((noreturn)) stubborn(void)
{
    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_IGN);
    daemonise();
    fflush(stdout);
    for (;;)
        pause();
}

static int eat_memory(void)
{
    for (size_t total = 0;; total += 8 * MIB) {
        void *block = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED)
            return 9;
        memset(block, 1, 8 * MIB);
    }
}

/* The child dies for its memory, the parent does not mind. */
static int eat_memory_in_child(void)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0)
        _exit(eat_memory());
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? 0 : 8;
}

/* Have 60 MB. */
static int use_memory(void)
{
    static const size_t size = 60000000;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 9;
    memset(block, 1, size);
    return printf("used\n") == 5 ? 0 : 9;
}

/* Read all pages of /input/large for `seconds`, through a mapping, as the kernel reads the code of programs.
 */
static int read_again(time_t seconds)
{
    struct stat info;
    unsigned sum = 0;
    const time_t end = time(NULL) + seconds;
    int file = open("/input/large", O_RDONLY | O_CLOEXEC);
    if (file < 0 || fstat(file, &info) < 0)
        return 8;
    const unsigned char *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED)
        return 9;
    while (time(NULL) < end)
        for (off_t i = 0; i < info.st_size; i += 4096)
            sum += bytes[i];
    return printf("read %u\n", sum) > 0 ? 0 : 7;
}

static int read_for_10_seconds(void)
{
    return read_again(10);
}

/* Take 62 MiB, and use what is left of 64 for a file that is larger. */
static int thrash(void)
{
    static const size_t size = 62 * MIB;
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED)
        return 9;
    memset(block, 1, size);
    return read_again(3600);
}

/* A child that uses memory and a second of CPU time, and that the kernel reaps: it is not in the usage of
 * its parent (wait4(2)). */
static int use_in_unwaited_child(void)
{
    signal(SIGCHLD, SIG_IGN);
    if (fork() == 0) {
        int failed = use_memory();
        while (clock() < CLOCKS_PER_SEC)
            ;
        _exit(failed);
    }
    while (wait(NULL) >= 0 || errno == EINTR)
        ;
    printf("end\n");
    return 0;
}

/* Two processes that have 60 MB at the same time. */
static int use_memory_twice(void)
{
    int done[2];
    char byte = 0;
    if (pipe(done) < 0)
        return 8;
    pid_t child = fork();
    int failed = use_memory();
    if (child == 0 && !failed && write(done[1], "", 1) == 1)
        pause();
    if (child == 0)
        _exit(failed);
    if (read(done[0], &byte, 1) != 1)
        failed = 8;
    kill(child, SIGKILL);
    return failed;
}

static int flood(void)
{
    static char block[64 * 1024];
    memset(block, 'x', sizeof block);
    for (unsigned i = 0; i < 64 * MIB / sizeof block; i++)
        if (write(STDOUT_FILENO, block, sizeof block) < 0)
            return 1;
    close(STDOUT_FILENO);
    fprintf(stderr, "stdout closed\n");
    return 4;
}

static int hundred_thousand_files(void)
{
    char name[64];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof name, "/output/%06d", i);
        int fd = open(name, O_CREAT | O_WRONLY, 0600);
        if (fd < 0)
            return 7;
        close(fd);
    }
    return 0;
}

/* Directories inside one another, far deeper than a path may be. */
static int nest(void)
{
    if (chdir("/output") < 0)
        return 1;
    for (int i = 0; i < 3000; i++)
        if (mkdir("d", 0700) < 0 || chdir("d") < 0)
            return 2;
    return close(open("bottom", O_CREAT | O_WRONLY, 0600));
}

/* Get at pe-shim, PID 1 here. Prints each way that worked. */
static int attack_shim(void)
{
    static const char *const files[] = {"/proc/1/fd/3", "/proc/1/mem", "/proc/1/environ", "/proc/1/root/etc"};
    int ways = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (open(files[i], O_RDONLY) >= 0)
            ways += printf("opened %s\n", files[i]);
    if (write(3, "forged", 6) >= 0)
        ways += printf("wrote to 3\n");
    if (ptrace(PTRACE_ATTACH, 1, NULL, NULL) == 0)
        ways += printf("attached\n");
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(1, SIGTERM);
    signal(SIGTERM, SIG_IGN);
    kill(-1, SIGTERM);
    printf("%s\n", ways ? "broken" : "held");
    return 0;
}

/* Get out of the container. Prints each way that worked. */
static int attack_container(void)
{
    int ways = 0;
    if (mount("none", "/mnt", "tmpfs", 0, NULL) == 0 || mount("none", "/tmp", "tmpfs", 0, NULL) == 0)
        ways += printf("mounted\n");
    if (mknod("/work/pmem0", S_IFBLK | 0600, makedev(259, 0)) == 0)
        ways += printf("made a device\n");
    if (open("/proc/sys/kernel/core_pattern", O_WRONLY) >= 0 || open("/proc/sysrq-trigger", O_WRONLY) >= 0)
        ways += printf("opened a kernel switch\n");
    if (open("/dev/pmem2", O_RDWR) >= 0 || open("/dev/ttyS0", O_RDWR) >= 0)
        ways += printf("opened a device\n");
    if (open("/sys/fs/cgroup/cgroup.procs", O_WRONLY) >= 0)
        ways += printf("opened a cgroup\n");
    if (chroot("/tmp") == 0)
        ways += printf("changed root\n");
    printf("%s\n", ways ? "broken" : "held");
    return 0;
}

/* Write numbers to stdout and stderr, in no particular order, also through descriptors of the same pipes
 * that this program opens itself. */
static int write_in_order(void)
{
    const int fds[] = {1, 2, open("/proc/self/fd/1", O_WRONLY), open("/proc/self/fd/2", O_WRONLY)};
    for (unsigned i = 0, random = 1; i < 5000; i++) {
        char text[16];
        int size = snprintf(text, sizeof text, "%u ", i);
        random = random * 1103515245u + 12345u;
        if (write(fds[random >> 16 & 3], text, (size_t)size) != size)
            return 1;
    }
    return 0;
}

static int crash(void)
{
    signal(SIGSEGV, SIG_DFL);
    return raise(SIGSEGV);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        int (*run)(void);
    } behaviours[] = {
        {"fork-bomb", fork_bomb},
        {"daemonise", daemonise},
        {"stubborn", stubborn},
        {"eat-memory", eat_memory},
        {"eat-memory-in-child", eat_memory_in_child},
        {"use-memory", use_memory},
        {"read-for-10-seconds", read_for_10_seconds},
        {"thrash", thrash},
        {"use-in-unwaited-child", use_in_unwaited_child},
        {"use-memory-twice", use_memory_twice},
        {"flood", flood},
        {"100000-files", hundred_thousand_files},
        {"nest", nest},
        {"attack-shim", attack_shim},
        {"attack-container", attack_container},
        {"write-in-order", write_in_order},
        {"crash", crash},
    };
    for (size_t i = 0; argc == 2 && i < sizeof behaviours / sizeof *behaviours; i++)
        if (!strcmp(argv[1], behaviours[i].name))
            return behaviours[i].run();
    fprintf(stderr, "hostile: unknown behaviour\n");
    return 2;
}
