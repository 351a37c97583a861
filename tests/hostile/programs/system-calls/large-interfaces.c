/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces of the kernel in which most of its errors are found: bpf, perf, io_uring, userfaultfd, keys.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static char zeroes[256];
    must_fail("bpf", syscall(SYS_bpf, 0, zeroes, 72));
    must_fail("bpf", syscall(SYS_bpf, 5, zeroes, 72));
    must_fail("perf_event_open", syscall(SYS_perf_event_open, zeroes, 0, -1, -1, 0));
    must_fail("io_uring_setup", syscall(SYS_io_uring_setup, 8, zeroes));
    must_fail("io_uring_enter", syscall(SYS_io_uring_enter, 0, 0, 0, 0, NULL, 0));
    must_fail("userfaultfd", syscall(SYS_userfaultfd, 1));
    must_fail("fanotify_init", syscall(SYS_fanotify_init, 0, 0));
    must_fail("add_key", syscall(SYS_add_key, "user", "name", "value", 5, -3));
    must_fail("request_key", syscall(SYS_request_key, "user", "name", NULL, -3));
    must_fail("keyctl", syscall(SYS_keyctl, 0, -3, 1));
    must_fail("kcmp", syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 1));
    return held();
}
