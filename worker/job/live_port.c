/* SPDX-License-Identifier: Apache-2.0 */
/* Reading and writing the memory of the live device, which the guest changes at any time. What is in it is
 * read once, into memory of the slot, and checked there (proto/live_ring.c). */
#include "worker/job/live_port.h"

#include <string.h>
#include <unistd.h>

static int check_range(const struct memfile *file, uint64_t offset, size_t size, struct pe_error *err)
{
    if (offset <= file->size && size <= file->size - offset)
        return 0;
    return pe_fail(err, PE_ERR_INTERNAL, "the live device has no %zu bytes at %llu", size,
                   (unsigned long long)offset);
}

/* The fences keep the order of what the guest sees and what is seen of it. */
static int read_memory(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    const struct memfile *file = context;
    if (check_range(file, offset, size, err) < 0)
        return -1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(bytes, file->bytes + offset, size);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return 0;
}

static int write_memory(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    const struct memfile *file = context;
    if (check_range(file, offset, size, err) < 0)
        return -1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    memcpy(file->bytes + offset, bytes, size);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return 0;
}

int live_port_open(struct pe_live_end *end, struct machine *machine, struct pe_error *err)
{
    const struct pe_live_device device = {&machine->live, read_memory, write_memory};
    return pe_live_open(end, PE_LIVE_SLOT, &device, err);
}

/* A socket takes so few bytes at once, or none of them. */
void live_port_ring(const struct machine *machine)
{
    ssize_t written = write(machine->vm.serial_fd, "live\n", 5);
    (void)written;
}
