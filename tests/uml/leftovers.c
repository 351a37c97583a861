/* SPDX-License-Identifier: Apache-2.0 */
/* What a process of a guest can see of those before it. User Mode Linux uses the host process of an address
 * space that is gone for the next one, so registers, memory and the pages of the kernel's stub could stay.
 *
 *   leftovers find                      print where the stub's pages are
 *   leftovers leave MARKER ADDRESS…     put the marker into registers, memory and signal frames, and exit
 *   leftovers search MARKER ADDRESS…    print everything in which the marker is found
 *
 * The marker is a byte, with which all of these are filled. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <immintrin.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096ul

/* The stub is in the last pages of the host's address space, which are below this address. */
#define HOST_END 0x800000000000ul
#define STUB_SEARCH (256 * PAGE)

static sigjmp_buf unreadable;
static unsigned char registers[16 * 32]; /* ymm0 to ymm15 at the start of this program */

static void on_fault(int number)
{
    siglongjmp(unreadable, number);
}

static void catch_faults(void)
{
    struct sigaction action = {.sa_handler = on_fault, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static int has_avx(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_AVX) && (c & bit_OSXSAVE);
}

__attribute__((target("avx"))) static void fill_avx(const unsigned char *value)
{
#define FILL(N) __asm__ volatile("vmovdqu (%0), %%ymm" #N : : "r"(value) : "xmm" #N)
    FILL(0);
    FILL(1);
    FILL(2);
    FILL(3);
    FILL(4);
    FILL(5);
    FILL(6);
    FILL(7);
    FILL(8);
    FILL(9);
    FILL(10);
    FILL(11);
    FILL(12);
    FILL(13);
    FILL(14);
    FILL(15);
}

__attribute__((target("avx"))) static void save_avx(unsigned char *to)
{
#define SAVE(N) __asm__ volatile("vmovdqu %%ymm" #N ", (%0)" : : "r"(to + N * 32) : "memory")
    SAVE(0);
    SAVE(1);
    SAVE(2);
    SAVE(3);
    SAVE(4);
    SAVE(5);
    SAVE(6);
    SAVE(7);
    SAVE(8);
    SAVE(9);
    SAVE(10);
    SAVE(11);
    SAVE(12);
    SAVE(13);
    SAVE(14);
    SAVE(15);
}

/* Before main, and before anything that uses these registers much. */
__attribute__((constructor)) static void save_registers(void)
{
    if (has_avx())
        save_avx(registers);
}

/* Fault with all registers full of the marker: the stub's signal handler gets a frame with them. The
 * marker is an address that nothing is mapped at. */
static void fault_with(unsigned char marker)
{
    uint64_t word;
    unsigned char value[32];
    memset(value, marker, sizeof value);
    memset(&word, marker, sizeof word);
    if (sigsetjmp(unreadable, 1))
        return;
    if (has_avx())
        fill_avx(value);
    __asm__ volatile("mov %0, %%rbx; mov %0, %%rcx; mov %0, %%rdx; mov %0, %%rsi; mov %0, %%r8;"
                     "mov %0, %%r9; mov %0, %%r10; mov %0, %%r11; mov %0, %%r12; mov %0, %%r13;"
                     "xor %%edi, %%edi; mov (%%rdi), %%rdi"
                     :
                     : "a"(word)
                     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "memory");
}

static int has_marker(const volatile unsigned char *bytes, size_t size, unsigned char marker)
{
    size_t run = 0;
    for (size_t i = 0; i < size; i++) {
        run = bytes[i] == marker ? run + 1 : 0;
        if (run == 24)
            return 1;
    }
    return 0;
}

/* Print the addresses of pages of the stub that can be read. */
static void find_stub(void)
{
    for (volatile uint64_t page = HOST_END - STUB_SEARCH; page < HOST_END - PAGE; page += PAGE) {
        if (sigsetjmp(unreadable, 1))
            continue;
        (void)*(const volatile unsigned char *)page;
        printf("%lx\n", (unsigned long)page);
    }
}

static int stub_has_marker(char **addresses, unsigned char marker)
{
    int found = 0;
    for (; *addresses; addresses++)
        found |= has_marker((const volatile unsigned char *)strtoul(*addresses, NULL, 16), PAGE, marker);
    return found;
}

/* Fork, and let the child exit with 1 if one of the pages, whose list ends with 0, has a run of 24 markers.
 * This code runs in private memory, of which a child has all pages. If it had a page fault, the kernel would
 * call the stub's signal handler, whose frame could overwrite what is searched for. */
extern const unsigned char fork_and_look[], fork_and_look_end[];
typedef int (*fork_and_look_fn)(const uint64_t *pages, unsigned char marker);
__asm__(".pushsection .rodata\n"
        "fork_and_look:\n"
        "  mov %rdi, %r8; mov %esi, %r9d; mov $57, %eax; syscall; test %eax, %eax; jz 1f; ret\n"
        "1: xor %edi, %edi\n"
        "2: mov (%r8), %rdx; add $8, %r8; test %rdx, %rdx; jz 6f; mov $4096, %ecx\n"
        "3: xor %eax, %eax\n"
        "4: cmp %r9b, (%rdx); jne 5f; inc %eax; cmp $24, %eax; jne 7f; mov $1, %edi; jmp 7f\n"
        "5: xor %eax, %eax\n"
        "7: inc %rdx; dec %ecx; jnz 4b; jmp 2b\n"
        "6: mov $60, %eax; syscall\n"
        "fork_and_look_end:\n"
        ".popsection\n");

/* The other process is started from here, so that no third one uses its host process in between. */
static void search_stub(char **addresses, unsigned char marker, char **arguments)
{
    int status = 0, found = 0;
    unsigned char *code =
        mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    uint64_t *pages = (uint64_t *)(code + PAGE);
    fork_and_look_fn look = (fork_and_look_fn)(uintptr_t)code;
    memcpy(code, fork_and_look, (size_t)((uintptr_t)fork_and_look_end - (uintptr_t)fork_and_look));
    for (size_t i = 0; addresses[i]; i++)
        pages[i] = strtoul(addresses[i], NULL, 16);
    arguments[1] = "leave";
    if (fork() == 0)
        execv("/proc/self/exe", arguments);
    if (wait(&status) < 0 || status != 0)
        puts("the other process failed");
    /* More often than there are host processes that wait to be used again. */
    for (int i = 0; i < 10; i++)
        look(pages, marker);
    while (wait(&status) > 0)
        found |= status;
    if (found)
        puts("the stub's pages have the marker");
}

static void search_new_memory(unsigned char marker)
{
    size_t size = 16ul << 20;
    unsigned char *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (size_t page = 0; page < size; page += 16 * PAGE)
        bytes[page] = (unsigned char)~marker; /* so that others are brought ahead, too */
    if (has_marker(bytes, size, marker))
        puts("new memory has the marker");
}

/* Addresses at which the process before this one had memory, and this one has none. */
static void search_old_memory(unsigned char marker)
{
    for (volatile uint64_t at = 0x200000000000ul; at < 0x200000000000ul + 64 * PAGE; at += PAGE) {
        if (sigsetjmp(unreadable, 1))
            continue;
        printf("memory at %lx can be read%s\n", (unsigned long)at,
               has_marker((const volatile unsigned char *)at, PAGE, marker) ? " and has the marker" : "");
    }
}

static void leave(char **addresses, unsigned char marker)
{
    unsigned char *bytes = mmap((void *)0x200000000000ul, 64 * PAGE, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(bytes, marker, 64 * PAGE);
    fault_with(marker);
    if (!stub_has_marker(addresses, marker))
        puts("its own signal frame does not have the marker");
    unsigned char value[32];
    memset(value, marker, sizeof value);
    fflush(stdout);
    if (has_avx())
        fill_avx(value);
    syscall(SYS_exit_group, 0); /* without a library that uses these registers */
}

int main(int argc, char **argv)
{
    catch_faults();
    if (argc == 2 && !strcmp(argv[1], "find")) {
        find_stub();
        return 0;
    }
    if (argc < 4)
        return 2;
    unsigned char marker = (unsigned char)strtoul(argv[2], NULL, 0);
    if (!strcmp(argv[1], "leave")) {
        leave(argv + 3, marker);
        return 1;
    }
    if (has_marker(registers, sizeof registers, marker))
        puts("registers have the marker");
    search_stub(argv + 3, marker, argv);
    search_new_memory(marker);
    search_old_memory(marker);
    return 0;
}
