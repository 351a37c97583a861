/* SPDX-License-Identifier: Apache-2.0 */
/* Building command lines. */
#include "worker/vmm/argv_builder.h"

#include <stdarg.h>
#include <stdio.h>

void argv_add(struct argv_builder *args, const char *format, ...)
{
    const size_t left = sizeof args->text - args->used;
    va_list list;
    va_start(list, format);
    const int n = vsnprintf(args->text + args->used, left, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= left || args->count + 1 >= sizeof args->argv / sizeof *args->argv) {
        args->overflow = 1;
        return;
    }
    args->argv[args->count++] = args->text + args->used;
    args->used += (size_t)n + 1;
}
