/* SPDX-License-Identifier: Apache-2.0 */
/* The functions that the linker puts in the place of the real ones (--wrap). */
#include "tests/model/clock.h"

#include "base/log.h"
#include "tests/model/world.h"

#include <stdarg.h>
#include <stddef.h>
#include <time.h>

enum { BEGIN_S = 1000000 };

uint64_t clock_us;
static uint64_t random_state;

void clock_reset(void)
{
    clock_us = BEGIN_S * 1000000ull;
    random_state = 1;
}

uint64_t model_now_us(void) __asm__("__wrap_pe_now_us");
time_t model_time(time_t *to) __asm__("__wrap_time");
void model_random_hex(char *text, size_t size) __asm__("__wrap_pe_pooled_random_hex");

uint64_t model_now_us(void)
{
    return clock_us;
}

time_t model_time(time_t *to)
{
    if (to)
        *to = (time_t)(clock_us / 1000000);
    return (time_t)(clock_us / 1000000);
}

/* The ids of requests that have chosen none, and the boundaries of multipart responses. */
void model_random_hex(char *text, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 2 * size; i++) {
        random_state = random_state * 6364136223846793005u + 1442695040888963407u;
        text[i] = digits[random_state >> 60];
    }
    text[2 * size] = '\0';
}

/* ---- the log: only with --trace ---- */

void model_log(enum pe_log_level level, const char *format, ...) __asm__("__wrap_pe_log")
    __attribute__((format(printf, 2, 3)));
void model_log_about(enum pe_log_level level, const char *request, const char *format,
                     ...) __asm__("__wrap_pe_log_about") __attribute__((format(printf, 3, 4)));

void model_log_traced(enum pe_log_level level, const char *request, const char *trace, const char *format,
                      ...) __asm__("__wrap_pe_log_traced") __attribute__((format(printf, 4, 5)));

static void print_line(const char *format, va_list args)
{
    char text[1024];
    vsnprintf(text, sizeof text, format, args); /* always, because it reads what it is given */
    TRACE("    log: %s", text);
}

void model_log(enum pe_log_level level, const char *format, ...)
{
    va_list args;
    (void)level;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void model_log_about(enum pe_log_level level, const char *request, const char *format, ...)
{
    va_list args;
    (void)level;
    (void)request;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}

void model_log_traced(enum pe_log_level level, const char *request, const char *trace, const char *format,
                      ...)
{
    va_list args;
    (void)level;
    (void)request;
    (void)trace;
    va_start(args, format);
    print_line(format, args);
    va_end(args);
}
