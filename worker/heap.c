/* SPDX-License-Identifier: Apache-2.0 */
/* Settings of malloc(3) for the processes of a worker. */
#include "worker/heap.h"

#include <malloc.h>

void heap_return_large_blocks(void)
{
    /* Each of them also ends the adjustment. They fail only for values that are out of range. */
    (void)mallopt(M_MMAP_THRESHOLD, HEAP_BLOCK_MAX);
    (void)mallopt(M_TRIM_THRESHOLD, HEAP_KEPT_MAX);
}
