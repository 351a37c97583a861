/* SPDX-License-Identifier: Apache-2.0 */
/* The plain driver: runs from seeds, without a fuzzer.
 *
 *   balancer_model [--seed N] [--steps M] [--runs K] [--trace]
 *
 * The seeds are N, N + 1, and so on. The seed of a run that fails is printed, and with --runs 1 it
 * happens again. */
#include "tests/model/cases.h"
#include "tests/model/chats.h"
#include "tests/model/choices.h"
#include "tests/model/connects.h"
#include "tests/model/deletions.h"
#include "tests/model/dialects.h"
#include "tests/model/events.h"
#include "tests/model/input.h"
#include "tests/model/questions.h"
#include "tests/model/run.h"
#include "tests/model/slot_live.h"
#include "tests/model/states.h"
#include "tests/model/world.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

static char failure[128]; /* what to print if the run that goes on fails */

const char *sanitizer_options(void) __asm__("__asan_default_options");
const char *undefined_options(void) __asm__("__ubsan_default_options");

/* What the sanitizers find ends with SIGABRT, too. */
const char *sanitizer_options(void)
{
    return "abort_on_error=1";
}

const char *undefined_options(void)
{
    return "abort_on_error=1:print_stacktrace=1";
}

enum { RUN_MAX_S = 300 }; /* a run takes less than a second, unless it hangs */

static void on_end(int signal_number)
{
    if (write(STDERR_FILENO, failure, strlen(failure)) < 0)
        _exit(2);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static uint64_t number_after(int argc, char **argv, const char *name, uint64_t otherwise)
{
    for (int i = 1; i + 1 < argc; i++)
        if (!strcmp(argv[i], name))
            return strtoull(argv[i + 1], NULL, 10);
    return otherwise;
}

int main(int argc, char **argv)
{
    uint64_t first = number_after(argc, argv, "--seed", 1);
    uint64_t steps = number_after(argc, argv, "--steps", 2000);
    uint64_t runs = number_after(argc, argv, "--runs", 1);
    uint64_t total = 0;
    is_tracing = argc > 1 && !strcmp(argv[argc - 1], "--trace");
    signal(SIGABRT, on_end);
    signal(SIGALRM, on_end);
    for (uint64_t seed = first; seed < first + runs; seed++) {
        snprintf(failure, sizeof failure, "the run failed that begins with: --seed %llu\n",
                 (unsigned long long)seed);
        alarm(RUN_MAX_S);
        choices_from_seed(seed);
        run_steps(steps);
        total += steps_done;
    }
    printf("%llu runs, %llu steps: every answer was right\n", (unsigned long long)runs,
           (unsigned long long)total);
    printf("%zu events of jobs that were watched, %zu messages with their output, %zu with input\n",
           events_count(), slot_output_count(), input_count());
    printf("%zu requests and %zu sessions of Piston, %zu requests of agents and %zu other messages of them\n",
           dialects_count(API_PISTON), connects_count(), dialects_count(API_MCP), chats_count());
    printf("%zu stages and cases that clients were told of\n", cases_count());
    printf("%zu questions about jobs, %zu jobs cancelled\n", questions_count(), questions_canceled());
    printf("%zu results deleted by clients\n", deletions_count());
    printf("%zu different states of jobs, slots and workers\n", states_count());
    return 0;
}
