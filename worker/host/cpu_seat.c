/* SPDX-License-Identifier: Apache-2.0 */
/* Choosing the least used CPU. A file stands for a table with a column for each CPU of the host, and a row
 * for the first slot on each CPU, one for the second, and so on. A slot locks the first free byte, row by
 * row. The kernel unlocks it when the last process of the slot has ended, however it ended. Nothing is
 * written to the file. */
#include "worker/host/cpu_seat.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#define ROWS 4096u

/* The CPU with this index among those in the set, which is not empty. */
static uint32_t nth_cpu(const cpu_set_t *allowed, uint32_t index)
{
    for (uint32_t cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, allowed) && index-- == 0)
            return cpu;
    return 0;
}

/* Returns 1 if the seat is ours now, 0 if another process has it, -1 with errno. */
static int try_seat(int fd, uint32_t row, uint32_t cpu)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = (off_t)row * CPU_SETSIZE + (off_t)cpu,
                         .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return 1;
    return errno == EAGAIN || errno == EACCES ? 0 : -1;
}

/* The same for the seats of a row. */
static int try_row(int fd, uint32_t row, const cpu_set_t *allowed, uint32_t *cpu)
{
    const uint32_t count = (uint32_t)CPU_COUNT(allowed);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t candidate = nth_cpu(allowed, i);
        int taken = try_seat(fd, row, candidate);
        if (taken > 0)
            *cpu = candidate;
        if (taken)
            return taken;
    }
    return 0;
}

int cpu_seat_take(const char *path, uint32_t slot, uint32_t *cpu, struct pe_error *err)
{
    cpu_set_t allowed;
    *cpu = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return pe_fail_errno(err, "cannot find out which CPUs may be used");
    *cpu = nth_cpu(&allowed, slot % (uint32_t)CPU_COUNT(&allowed));
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s, which spreads VMs over the CPUs of the host", path);
    for (uint32_t row = 0; row < ROWS; row++) {
        int taken = try_row(fd, row, &allowed, cpu);
        if (taken < 0)
            return pe_fail_errno(err, "cannot lock a byte of %s, which spreads VMs over the CPUs of the host",
                                 path);
        if (taken)
            return pe_steal_fd(&fd);
    }
    return pe_fail(err, PE_ERR_BUSY, "all seats in %s are taken", path);
}
