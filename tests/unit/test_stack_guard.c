/* SPDX-License-Identifier: Apache-2.0 */
/* Renewing the stack guard. A function that is entered afterwards and returns uses the new one. */
#include "guest-init/stack_guard.h"
#include "tests/unit/check.h"

#include <stdint.h>
#include <string.h>

static uint64_t guard(void)
{
    uint64_t value = 0;
    __asm__ volatile("movq %%fs:0x28, %0" : "=r"(value));
    return value;
}

static __attribute__((noinline)) size_t protected_function(const char *text)
{
    char copy[64];
    strncpy(copy, text, sizeof copy - 1);
    copy[sizeof copy - 1] = '\0';
    return strlen(copy);
}

STACK_GUARD_NONE static void a_renewed_guard_is_another_one(void **state)
{
    (void)state;
    const uint64_t before = guard();
    stack_guard_renew();
    const uint64_t first = guard(), length = protected_function("text");
    stack_guard_renew();
    const uint64_t second = guard();
    /* The functions that called this one have the old guard. */
    __asm__ volatile("movq %0, %%fs:0x28" : : "r"(before) : "memory");
    assert_int_equal(length, 4);
    assert_true(first != before && second != first);
    assert_int_equal(first & 0xff, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_renewed_guard_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
