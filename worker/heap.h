/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap of a worker's processes keeps of memory that was freed. */
#ifndef PE_WORKER_HEAP_H
#define PE_WORKER_HEAP_H

/* Let malloc(3) give large blocks back to the kernel when they are freed, in this process and in those that
 * it forks. Without it, glibc takes blocks of up to 32 MiB from the heap once a block of that size was
 * freed, and the heap keeps twice as much (mallopt(3), "Dynamic adjustment of the mmap threshold"): a slot
 * kept the memory of its largest result for ever. Now the heap keeps at most HEAP_KEPT_MAX at its end. */
void heap_return_large_blocks(void);

enum {
    HEAP_BLOCK_MAX = 1 << 20, /* larger blocks are mapped on their own; most results are smaller */
    HEAP_KEPT_MAX = 4 << 20
};

#endif
