/* SPDX-License-Identifier: Apache-2.0 */
/* What programs ask of a kernel now and then: features NAME. Prints one line: what was found. */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ul

/* ---- ptrace, as strace and gdb use it ---- */

static void traced(void)
{
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    for (int i = 0; i < 100; i++)
        syscall(SYS_getppid);
    _exit(7);
}

static void trace_system_calls(void)
{
    int status, stops = 0, calls = 0;
    pid_t child = fork();
    if (child == 0)
        traced();
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
    for (;;) {
        struct user_regs_struct registers;
        ptrace(PTRACE_SYSCALL, child, NULL, NULL);
        waitpid(child, &status, 0);
        if (!WIFSTOPPED(status))
            break;
        ptrace(PTRACE_GETREGS, child, NULL, &registers);
        stops += WSTOPSIG(status) == (SIGTRAP | 0x80);
        calls += registers.orig_rax == SYS_getppid;
    }
    printf("%d stops, %d at getppid, exit code %d\n", stops > 200, calls, WEXITSTATUS(status));
}

static volatile int variable = 1;

static void step_and_poke(void)
{
    int status, steps = 0;
    pid_t child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        _exit(variable);
    }
    waitpid(child, &status, 0);
    long word = ptrace(PTRACE_PEEKDATA, child, &variable, NULL);
    ptrace(PTRACE_POKEDATA, child, &variable, (word & ~0xffl) | 42);
    do {
        ptrace(steps < 100 ? PTRACE_SINGLESTEP : PTRACE_CONT, child, NULL, NULL);
        waitpid(child, &status, 0);
        steps += WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    } while (WIFSTOPPED(status));
    printf("%d steps, exit code %d\n", steps >= 10, WEXITSTATUS(status));
}

/* ---- the processor ---- */

static void call_vsyscall(void)
{
    time_t (*vsyscall_time)(time_t *) = (time_t(*)(time_t *))0xffffffffff600400ul;
    time_t before = time(NULL), now = vsyscall_time(NULL);
    printf("time differs by %ld\n", (long)(now - before > 2 ? now - before : 0));
}

__attribute__((target("avx512f"))) static uint64_t add_avx512(uint64_t a, uint64_t b)
{
    uint64_t sum[8];
    __asm__ volatile("vpbroadcastq %1, %%zmm17; vpbroadcastq %2, %%zmm18; vpaddq %%zmm17, %%zmm18, %%zmm19;"
                     "mov $39, %%eax; syscall;" /* the registers stay over a system call */
                     "vmovdqu64 %%zmm19, %0"
                     : "=m"(sum)
                     : "r"(a), "r"(b)
                     : "xmm17", "xmm18", "xmm19", "rax", "rcx", "r11");
    return sum[7];
}

static void use_avx512(void)
{
    unsigned a, b, c, d;
    int has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX512F);
    printf("%llu\n", has ? (unsigned long long)add_avx512(40, 2) : 42ull);
}

/* Programs have to ask for the tiles of AMX: ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA. */
static void ask_for_amx(void)
{
    printf("%s\n", syscall(SYS_arch_prctl, 0x1023, 18) == 0 ? "allowed" : "refused");
}

/* ---- memory ---- */

static void map_huge(void)
{
    void *huge =
        mmap(NULL, 2ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    char *memory = mmap(NULL, 8ul << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int advised = madvise(memory, 8ul << 20, MADV_HUGEPAGE) == 0 ? 0 : errno;
    memset(memory, 1, 8ul << 20);
    printf("MAP_HUGETLB %s, MADV_HUGEPAGE %s, memory works: %d\n", huge == MAP_FAILED ? "refused" : "works",
           advised == 0 || advised == EINVAL ? "harmless" : "wrong", memory[(8ul << 20) - 1]);
}

/* What a JIT compiler does: write a function, make it executable, call it, and begin again. */
static void compile_often(void)
{
    int wrong = 0;
    unsigned char *page = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (uint32_t i = 0; i < 5000; i++) {
        unsigned char *at = page + (i % 64) * PAGE + i % 1000;
        uint32_t (*function)(void) = (uint32_t(*)(void))(uintptr_t)at;
        mprotect(page, 64 * PAGE, PROT_READ | PROT_WRITE);
        at[0] = 0xb8; /* mov eax, i */
        memcpy(at + 1, &i, sizeof i);
        at[5] = 0xc3; /* ret */
        mprotect(page, 64 * PAGE, PROT_READ | PROT_EXEC);
        wrong += function() != i;
    }
    printf("%d wrong\n", wrong);
}

/* ---- 32-bit system calls ---- */

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("signal %d, SI_KERNEL: %d\n", signal, info->si_code == SI_KERNEL);
    fflush(stdout);
    _exit(0);
}

static void interrupt_0x80(void)
{
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    long number = 20; /* getpid of 32-bit programs, writev of 64-bit ones */
    sigaction(SIGSEGV, &action, NULL);
    __asm__ volatile("int $0x80" : "+a"(number) : : "memory", "r8", "r9", "r10", "r11");
    printf("%ld\n", number);
}

/* ---- threads ---- */

static pthread_barrier_t barrier;
static volatile long sum;

static void *add_own_number(void *number)
{
    pthread_barrier_wait(&barrier);
    __atomic_add_fetch(&sum, (long)(intptr_t)number, __ATOMIC_SEQ_CST);
    return number;
}

static void start_threads(long count)
{
    pthread_t *threads = calloc((size_t)count, sizeof *threads);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    pthread_barrier_init(&barrier, NULL, (unsigned)count + 1);
    for (long i = 0; i < count; i++) {
        int failed = pthread_create(&threads[i], &small, add_own_number, (void *)(intptr_t)i);
        if (failed) {
            printf("thread %ld: %s\n", i, strerror(failed));
            exit(1);
        }
    }
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    printf("%s\n", sum == count * (count - 1) / 2 ? "all threads ran" : "threads are missing");
}

/* ---- time ---- */

static void burn_cpu(void)
{
    struct timespec start, now;
    volatile unsigned long turns = 0;
    clock_gettime(CLOCK_MONOTONIC, &start);
    do {
        for (int i = 0; i < 100000; i++)
            turns++;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - start.tv_sec) * 1000000000l + now.tv_nsec - start.tv_nsec < 2000000000l);
    puts("burned");
}

int main(int argc, char **argv)
{
    const struct {
        const char *name;
        void (*run)(void);
    } features[] = {{"syscalls", trace_system_calls}, {"steps", step_and_poke}, {"vsyscall", call_vsyscall},
                    {"avx512", use_avx512},           {"amx", ask_for_amx},     {"huge", map_huge},
                    {"jit", compile_often},           {"burn", burn_cpu},       {"int80", interrupt_0x80}};
    if (argc == 3 && !strcmp(argv[1], "threads")) {
        start_threads(strtol(argv[2], NULL, 10));
        return 0;
    }
    for (size_t i = 0; argc == 2 && i < sizeof features / sizeof *features; i++)
        if (!strcmp(argv[1], features[i].name)) {
            features[i].run();
            return 0;
        }
    return 2;
}
