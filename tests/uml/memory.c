/* SPDX-License-Identifier: Apache-2.0 */
/* A program whose memory is used in ways that are hard for User Mode Linux: memory ACTION [MIB]. It exits
 * with 0 if everything was as expected, and otherwise says what was not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

static int failures;

static void check(int holds, const char *what, long value)
{
    if (holds)
        return;
    printf("wrong: %s (%ld)\n", what, value);
    failures++;
}

static char *area(size_t pages, int flags)
{
    char *start = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    if (start == MAP_FAILED) {
        perror("mmap");
        exit(2);
    }
    return start;
}

/* Pages of this process that are in memory. */
static long resident(void)
{
    long all = 0, in_memory = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &all, &in_memory) != 2)
        exit(2);
    fclose(file);
    return in_memory;
}

/* The page with this number in an order without pattern: the factor is odd, so with a power of two as the
 * modulus each number comes once; those beyond the end are left out by the caller. */
static size_t scattered(size_t i, size_t power)
{
    return i * 2654435761ul % power;
}

/* Write and read back every page, in an order without pattern. */
static void touch_at_random(size_t mib)
{
    size_t pages = mib << 8, power = 1;
    char *start = area(pages, MAP_PRIVATE);
    while (power < pages)
        power *= 2;
    for (size_t i = 0, page; i < power; i++)
        if ((page = scattered(i, power)) < pages)
            memcpy(start + page * PAGE, &page, sizeof page);
    for (size_t page = 0; page < pages; page++)
        check(memcmp(start + page * PAGE, &page, sizeof page) == 0, "content of page", (long)page);
}

/* The same with shared memory, in which nothing is brought ahead. */
static void touch_shared(size_t mib)
{
    size_t pages = mib << 8, power = 1;
    char *start = area(pages, MAP_SHARED);
    while (power < pages)
        power *= 2;
    for (size_t i = 0, page; i < power; i++)
        if ((page = scattered(i, power)) < pages)
            start[page * PAGE] = 1;
}

/* Touch `mib`, but only pairs of neighbouring pages far from each other: pages are brought ahead behind
 * each pair. They must not make this process exceed a limit. */
static void touch_pairs(size_t mib)
{
    size_t pairs = mib << 7;
    char *start = area(pairs * 16, MAP_PRIVATE | MAP_NORESERVE);
    for (size_t i = 0; i < pairs; i++) {
        start[i * 16 * PAGE] = 1;
        start[(i * 16 + 1) * PAGE] = 1;
    }
}

/* The same in a process that has forked, so that others share its pages ahead, and with a second process
 * that holds pages ahead and sleeps. */
static void touch_pairs_beside_another(size_t mib)
{
    int ready[2], status = 0;
    char byte;
    if (pipe(ready) < 0)
        exit(2);
    pid_t other = fork();
    if (other == 0) {
        touch_pairs(mib / 4);
        pid_t child = fork();
        if (child == 0)
            pause();
        if (write(ready[1], "x", 1) == 1)
            pause();
        _exit(0);
    }
    if (read(ready[0], &byte, 1) != 1)
        exit(2);
    touch_pairs(mib - mib / 4);
    kill(other, SIGKILL);
    waitpid(other, &status, 0);
}

static void fill_with_zeroes(void)
{
    for (;;)
        memset(area(256, MAP_PRIVATE), 0, 256 * PAGE);
}

/* Ask for a page now and then, and compute in between. */
static void grow_slowly(void)
{
    for (;;) {
        for (volatile int i = 0; i < 3000000; i++)
            ;
        *area(1, MAP_SHARED) = 1;
    }
}

static void use_stack(void)
{
    volatile char room[64 * PAGE];
    long before = resident(), sum = 0;
    for (size_t i = 64; i > 0; i--) {
        room[(i - 1) * PAGE] = 1;
        sum += room[(i - 1) * PAGE];
    }
    check(sum == 64, "content of a stack of 64 pages", sum);
    check(resident() - before <= 72, "pages of a stack of 64", resident() - before);
}

/* What may be brought ahead, and what not. */
static void look_ahead(void)
{
    unsigned char present[1024];
    long before = resident(), count = 0;
    char *start = area(4096, MAP_PRIVATE);
    for (size_t page = 0; page < 4096; page += 32)
        start[page * PAGE] = 1;
    check(resident() - before <= 520, "pages for 128 single ones", resident() - before);

    before = resident();
    start = area(4096, MAP_PRIVATE);
    for (size_t page = 0; page < 256; page++)
        start[page * PAGE] = 1;
    check(resident() - before <= 256 + 64, "pages for 256 in order", resident() - before);

    before = resident();
    start = area(1024, MAP_PRIVATE);
    for (size_t page = 511; page >= 500; page--)
        start[page * PAGE] = 1;
    check(resident() - before >= 16, "pages for 12 in descending order", resident() - before);

    before = resident();
    start = area(1024, MAP_PRIVATE);
    for (size_t page = 0; page < 128; page++)
        check(start[page * PAGE] == 0, "content of a page that is only read", (long)page);
    check(resident() - before >= 128, "own pages for 128 that are read", resident() - before);
    check(resident() - before <= 256 + 64, "pages for 128 that are read", resident() - before);

    before = resident();
    start = area(1024, MAP_PRIVATE | MAP_GROWSDOWN);
    for (size_t page = 0; page < 100; page++)
        start[page * PAGE] = 1;
    check(resident() - before <= 104, "pages of a mapping that grows down", resident() - before);
    use_stack();

    start = area(1024, MAP_SHARED);
    for (size_t page = 0; page < 100; page++)
        start[page * PAGE] = 1;
    if (mincore(start, 1024 * PAGE, present) < 0)
        exit(2);
    for (size_t page = 0; page < 1024; page++)
        count += present[page] & 1;
    check(count == 100, "pages of shared memory for 100", count);
}

/* Read more memory than there is. It is full of zeroes, so it needs none. */
static void read_zeroes(size_t mib)
{
    const char *start = area(mib << 8, MAP_PRIVATE | MAP_NORESERVE);
    for (size_t page = 0; page < mib << 8; page++)
        check(start[page * PAGE] == 0, "content of page", (long)page);
}

static void fill(char *page, size_t number)
{
    memset(page, 1 + (int)(number % 250), PAGE);
}

/* A file whose pages differ from their neighbours. */
static int make_file(size_t pages)
{
    char page[PAGE];
    int fd = open("/tmp/file", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    for (size_t i = 0; fd >= 0 && i < pages; i++) {
        fill(page, i);
        check(write(fd, page, PAGE) == (ssize_t)PAGE, "written page", (long)i);
    }
    return fd;
}

static void check_file(int fd, size_t pages)
{
    char page[PAGE], expected[PAGE];
    for (size_t i = 0; i < pages; i++) {
        fill(expected, i);
        check(pread(fd, page, PAGE, (off_t)(i * PAGE)) == (ssize_t)PAGE && !memcmp(page, expected, PAGE),
              "content of the file at page", (long)i);
    }
}

/* Let a system call write to memory until there is no more: the pages of the file, each to the place of the
 * one before. With `looks`, the memory was looked at before. */
static void read_until_killed(int fd, char *start, size_t pages, int looks)
{
    for (size_t page = 0; looks && page < pages; page++)
        (void)*(volatile const char *)(start + page * PAGE);
    ssize_t got = pread(fd, start, (pages - 1) * PAGE, (off_t)PAGE);
    _exit(got == (ssize_t)((pages - 1) * PAGE) ? 0 : 1);
}

static void expect_killed(pid_t child, const char *what)
{
    int status = 0;
    waitpid(child, &status, 0);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, what, status);
}

/* What was in place of a page that could not be had: nothing, the page of zeroes, a page of the file. */
static void exceed_memory_in_system_calls(size_t mib)
{
    size_t pages = mib << 8;
    int fd = make_file(pages);
    pid_t child = fork();
    if (child == 0)
        read_until_killed(fd, area(pages, MAP_PRIVATE), pages, 0);
    expect_killed(child, "end of who reads into new memory");
    if ((child = fork()) == 0)
        read_until_killed(fd, area(pages, MAP_PRIVATE), pages, 1);
    expect_killed(child, "end of who reads into pages of zeroes");
    if ((child = fork()) == 0) {
        char *start = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
        read_until_killed(fd, start, pages, 1);
    }
    expect_killed(child, "end of who reads into a private mapping");
    check_file(fd, pages);
}

/* Pages of this process that are no longer those of a file. */
static long own_pages(void)
{
    char line[128];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %ld", &kib);
    if (!file || kib < 0)
        exit(2);
    fclose(file);
    return kib / 4;
}

/* How many pages of a private mapping of a file are copied when one of them is written. */
static long copies_of_one_write(int fd)
{
    enum { PAGES = 40, WRITTEN = 20 };
    static char content[PAGES * PAGE];
    if (fd < 0 || pread(fd, content, sizeof content, 0) != sizeof content)
        exit(2);
    char *start = mmap(NULL, sizeof content, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (start == MAP_FAILED)
        exit(2);
    long before = own_pages();
    start[WRITTEN * PAGE] = content[WRITTEN * PAGE] = 'x';
    long copied = own_pages() - before;
    check(memcmp(start, content, sizeof content) == 0, "content of a mapping", copied);
    close(fd);
    return copied;
}

/* A program writes to most pages of its data when it starts, so those of the image are copied ahead. Other
 * files can change, which has to be seen in pages that the process has not written. */
static void copy_ahead(void)
{
    long copied = copies_of_one_write(open("/bin/busybox", O_RDONLY));
    check(copied >= 4 && copied <= 20, "copies of pages of the image", copied);
    copied = copies_of_one_write(make_file(40));
    check(copied <= 4, "copies of pages of a file that can change", copied);
}

int main(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : "";
    size_t mib = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;
    if (!strcmp(action, "random"))
        touch_at_random(mib);
    else if (!strcmp(action, "shared"))
        touch_shared(mib);
    else if (!strcmp(action, "pairs"))
        touch_pairs(mib);
    else if (!strcmp(action, "pairs-beside-another"))
        touch_pairs_beside_another(mib);
    else if (!strcmp(action, "zeroes"))
        fill_with_zeroes();
    else if (!strcmp(action, "slowly"))
        grow_slowly();
    else if (!strcmp(action, "ahead"))
        look_ahead();
    else if (!strcmp(action, "read-zeroes"))
        read_zeroes(mib);
    else if (!strcmp(action, "copies"))
        copy_ahead();
    else if (!strcmp(action, "in-system-calls"))
        exceed_memory_in_system_calls(mib);
    else
        return 2;
    puts(failures ? "failed" : "good");
    return failures != 0;
}
