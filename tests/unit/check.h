/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with what it wants included, and the few checks that every unit test uses. */
#ifndef PE_TESTS_CHECK_H
#define PE_TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The error's kind and a part of its message. */
#define assert_error(err, wanted_kind, part)                                  \
    do {                                                                      \
        if ((err).kind != (wanted_kind) || !strstr((err).message, (part)))    \
            print_error("kind %d, message: %s\n", (err).kind, (err).message); \
        assert_int_equal((err).kind, (wanted_kind));                          \
        assert_non_null(strstr((err).message, (part)));                       \
    } while (0)

#endif
