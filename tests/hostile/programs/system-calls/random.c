/* SPDX-License-Identifier: Apache-2.0 */
/* Random system calls with random arguments, among them addresses, from a fixed seed. They may end the
 * program in any way, but not its VM.
 *
 * job: {"timeout_ms": 2500}
 * result: exited or signaled or timeout or oom or output_limit
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static long argument(uint64_t *state, char *memory)
{
    switch (next(state) % 6) {
    case 0:
        return (long)(next(state) % 16);
    case 1:
        return (long)next(state);
    case 2:
        return -(long)(next(state) % 4096);
    case 3:
        return 1L << next(state) % 64;
    default:
        return (long)(uintptr_t)(memory + next(state) % (16 * PAGE));
    }
}

static void __attribute__((noreturn)) call_at_random(uint64_t seed)
{
    uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
    char *memory = use_memory(20 * PAGE);
    alarm(1);
    for (size_t i = 0; memory && i < 16 * PAGE; i += 8)
        memory[i] = (char)next(&state);
    for (int i = 0; i < 200; i++) {
        long a[6];
        for (size_t j = 0; j < 6; j++)
            a[j] = argument(&state, memory);
        syscall((long)(next(&state) % 470), a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    _exit(0);
}

int main(void)
{
    say("start");
    setsid();
    for (uint64_t seed = 1; seed < 1000; seed++) {
        if (fork() == 0)
            call_at_random(seed);
        if (seed % 8 == 0)
            while (waitpid(-1, NULL, WNOHANG) > 0)
                ;
        usleep(500);
    }
    return 0;
}
