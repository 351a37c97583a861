/* SPDX-License-Identifier: Apache-2.0 */
/* Measures what programs ask of a kernel, for bench/primitives: `primitives` prints a line "NAME
 * MICROSECONDS" for each, `primitives time COMMAND…` runs a command twice and prints the time of the second
 * run. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define PAGES 16384u /* 64 MiB */
#define CALLS 20000
#define PROCESSES 100
#define FILES 2000
#define FILE_NAME "/tmp/primitives-file"

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void give_up(const char *what) __attribute__((noreturn));
static void give_up(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static void report(const char *name, double since_us, unsigned count)
{
    printf("%s %.2f\n", name, (now_us() - since_us) / count);
    fflush(stdout);
}

static void run(char *const *argv)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
        give_up(argv[0]);
}

static void measure_processes(char *program)
{
    char argument[] = "exit";
    char *const argv[] = {program, argument, NULL};
    double started = now_us();
    for (int i = 0; i < PROCESSES; i++)
        run(argv);
    report("fork+exec+wait", started, PROCESSES);
}

static void measure_calls(void)
{
    double started = now_us();
    for (int i = 0; i < CALLS; i++)
        syscall(SYS_getppid);
    report("system-call", started, CALLS);
}

static char *map_pages(void)
{
    char *memory =
        mmap(NULL, (size_t)PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        give_up("mmap");
    (void)madvise(memory, (size_t)PAGES * PAGE, MADV_NOHUGEPAGE); /* not every kernel knows it */
    return memory;
}

/* `step` is odd, so every page has its turn: PAGES is a power of two. */
static void measure_pages(const char *name, uint32_t step)
{
    char *memory = map_pages();
    double started = now_us();
    for (uint32_t i = 0, page = 0; i < PAGES; i++, page = (page + step) % PAGES)
        memory[(size_t)page * PAGE] = 1;
    report(name, started, PAGES);
    munmap(memory, (size_t)PAGES * PAGE);
}

static void measure_files(void)
{
    static char bytes[PAGE];
    int fd = open(FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || close(fd) < 0)
        give_up(FILE_NAME);
    double started = now_us();
    for (int i = 0; i < FILES; i++) {
        fd = open(FILE_NAME, O_RDONLY);
        if (fd < 0 || read(fd, bytes, sizeof bytes) != (ssize_t)sizeof bytes || close(fd) < 0)
            give_up(FILE_NAME);
    }
    report("open+read+close", started, FILES);
    unlink(FILE_NAME);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !strcmp(argv[1], "exit"))
        return 0;
    if (argc > 2 && !strcmp(argv[1], "time")) {
        run(argv + 2);
        double started = now_us();
        run(argv + 2);
        report("time", started, 1);
        return 0;
    }
    measure_processes(argv[0]);
    measure_calls();
    measure_pages("page-in-order", 1);
    measure_pages("page-at-random", 7919);
    measure_files();
    return 0;
}
