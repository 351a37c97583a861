/* SPDX-License-Identifier: Apache-2.0 */
/* What the heap of a slot keeps after large results. */
#include "tests/unit/check.h"
#include "worker/heap.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define RESULT_BYTES (16u << 20)

/* A sanitizer has a heap of its own, so that this one stays empty. */
static void a_heap_keeps_no_memory_of_large_results(void **state)
{
    (void)state;
    heap_return_large_blocks();
    const size_t before = mallinfo2().arena;
    for (int i = 0; i < 3; i++) {
        char *result = malloc(RESULT_BYTES);
        assert_non_null(result);
        memset(result, 1, RESULT_BYTES);
        char *behind = malloc(1000); /* stays above the result if that is in the heap */
        assert_non_null(behind);
        free(result);
        free(behind);
    }
    assert_in_range(mallinfo2().arena, 0, before + HEAP_KEPT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_heap_keeps_no_memory_of_large_results),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
