/* SPDX-License-Identifier: Apache-2.0 */
/* Stages, cases and checkers in the order of the plan: which are run, with which arguments and which files,
 * and whether they succeeded. guest-init/stage_run.c runs each.
 *
 * The plan has inputs of other cases and answers. It stays in the memory of this process, which programs
 * cannot read; a program gets a copy of its own input, in a file without a name. */
#include "guest-init/cases.h"

#include "base/cleanup.h"
#include "codec/sha256_plain.h"
#include "guest-init/stage_run.h"
#include "proto/limits.h"
#include "proto/stage_plan.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_CANNOT_EXECUTE = 126, PATHS = 3 };

/* The files of a checker, in the folder that is empty for each program. */
static char input_path[] = "/dev/shm/input";
static char output_path[] = "/dev/shm/output";
static char answer_path[] = "/dev/shm/answer";

struct cases {
    struct pe_plan plan;
    struct stage_run run;
    char directory[PATH_MAX];
    unsigned succeeded;   /* a bit for each stage */
    struct pe_buf output; /* stdout of the run that is compared or checked */
    size_t runs_left;     /* after the one that runs */
};

/* A stage or a case. */
struct task {
    enum pe_stage_frame begin;
    const char *label;
    struct pe_arguments arguments, environment;
    const struct pe_plan_run *run;
    bool fresh;
};

bool cases_are_requested(char *const *arguments)
{
    return !strcmp(arguments[0], PE_STAGES_PROGRAM) && arguments[1] &&
           !strcmp(arguments[1], PE_PLAN_ARGUMENT);
}

/* ---- the plan ---- */

/* The mapping is never unmapped. */
static int read_plan(struct pe_plan *plan, struct pe_error *err)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) < 0)
        return pe_fail_errno(err, "cannot read the plan of stages");
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > (off_t)PE_INPUT_BYTES_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "standard input is not a plan of stages");
    const void *bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, STDIN_FILENO, 0);
    if (bytes == MAP_FAILED)
        return pe_fail_errno(err, "cannot read the plan of stages");
    return pe_plan_decode(bytes, (size_t)st.st_size, plan, err);
}

/* Programs do not inherit the plan. */
static int close_input(void)
{
    pe_autoclose int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return nothing >= 0 && dup2(nothing, STDIN_FILENO) >= 0 ? 0 : -1;
}

/* ---- files ---- */

static bool write_bytes(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        size -= (size_t)n;
    }
    return true;
}

/* A copy of the bytes that a program can read from its start. The caller closes it; -1: there is no memory.
 */
static int open_input(const struct pe_plan_bytes *bytes)
{
    if (!bytes->data)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    pe_autoclose int fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0 || !write_bytes(fd, bytes->data, bytes->size) || lseek(fd, 0, SEEK_SET) < 0)
        return -1;
    return pe_steal_fd(&fd);
}

static bool place_file(const char *path, const void *bytes, size_t size)
{
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    return fd >= 0 && write_bytes(fd, bytes, size);
}

/* What a checker gets. */
struct check {
    const struct pe_plan_run *run;
    const struct pe_buf *output;
};

static bool place_files(const void *context)
{
    const struct check *check = context;
    const struct pe_plan_bytes *input = &check->run->input, *answer = &check->run->expect.answer;
    return place_file(input_path, input->data, input->size) &&
           place_file(output_path, check->output->data, check->output->size) &&
           place_file(answer_path, answer->data, answer->size);
}

/* ---- runs ---- */

/* A plan without a limit of output has that of a job. */
static uint64_t output_limit(uint64_t bytes)
{
    return bytes && bytes < PE_OUTPUT_BYTES_MAX ? bytes : PE_OUTPUT_BYTES_MAX;
}

static struct stage to_stage(const struct pe_stage_limits *limits, const struct pe_arguments *arguments)
{
    const uint64_t out = output_limit(limits->output_bytes);
    return (struct stage){.wall_us = limits->wall_ms * 1000,
                          .cpu_us = limits->cpu_ms * 1000,
                          .memory_bytes = limits->memory_bytes,
                          .output_bytes = out,
                          .error_bytes = limits->error_bytes ? output_limit(limits->error_bytes) : out,
                          .processes = limits->processes,
                          .file_bytes = limits->file_bytes,
                          .open_files = limits->open_files,
                          .arguments = arguments->items};
}

static void begin(struct cases *cases, enum pe_stage_frame kind, const char *label)
{
    run_report_frame(&cases->run.report, kind, label, strlen(label));
}

/* Each stage and case can have a checker, so two runs are reserved for each. */
static void reserve(struct cases *cases)
{
    cases->run.report.reserved = cases->runs_left * PE_PLAN_RUN_ROOM;
}

/* The hash of what the program printed, as it is compared. */
static bool hash_output(const struct cases *cases, enum pe_expect_compare compare,
                        char hex[PE_SHA256_HEX_SIZE])
{
    struct pe_error ignored;
    return pe_expect_hash(compare, cases->output.data, cases->output.size, hex, &ignored) == 0;
}

static bool exited_with(const struct run_result *result, unsigned code)
{
    return result->end == PE_STAGE_EXITED && (unsigned)WEXITSTATUS(result->wait_status) == code;
}

static void run_program(struct cases *cases, const struct task *task)
{
    const struct stage stage = to_stage(&task->run->limits, &task->arguments);
    pe_autoclose int input = open_input(&task->run->input);
    const struct stage_order order = {.stage = &stage,
                                      .environment = task->environment.items,
                                      .input = input,
                                      .directory = cases->directory,
                                      .fresh = task->fresh,
                                      .kept = &cases->output,
                                      .goes_on = true};
    if (input < 0)
        cases->run.result = (struct run_result){.end = PE_STAGE_FAILED};
    else
        stage_run_program(&cases->run, &order);
}

/* Run the checker on what the task has printed. True if it is right. */
static bool check(struct cases *cases, const struct task *task)
{
    static char *const paths[PATHS] = {input_path, output_path, answer_path};
    const struct pe_plan_checker *checker = &cases->plan.checkers[task->run->expect.checker];
    const struct check context = {task->run, &cases->output};
    pe_autofree char **arguments = calloc(checker->arguments.count + PATHS + 1, sizeof *arguments);
    begin(cases, PE_CHECK_BEGIN, "");
    if (arguments) {
        memcpy(arguments, checker->arguments.items, checker->arguments.count * sizeof *arguments);
        memcpy(arguments + checker->arguments.count, paths, sizeof paths);
        const struct pe_arguments all = {.items = arguments};
        const struct stage stage = to_stage(&checker->limits, &all);
        const struct stage_order order = {.stage = &stage,
                                          .environment = checker->environment.items,
                                          .input = -1,
                                          .directory = cases->directory,
                                          .fresh = true,
                                          .place_files = place_files,
                                          .context = &context,
                                          .goes_on = true};
        stage_run_program(&cases->run, &order);
    } else {
        cases->run.result = (struct run_result){.end = PE_STAGE_FAILED};
    }
    run_report_end(&cases->run.report, &cases->run.result);
    return exited_with(&cases->run.result, 0);
}

/* Run a program, and its checker if it has one. True if it has done what it must do. */
static bool run_task(struct cases *cases, const struct task *task)
{
    const struct pe_plan_expect *expect = &task->run->expect;
    struct run_result *result = &cases->run.result;
    char hex[PE_SHA256_HEX_SIZE];
    cases->runs_left--;
    reserve(cases);
    cases->output.size = 0;
    begin(cases, task->begin, task->label);
    run_program(cases, task);
    if (*expect->sha256 && hash_output(cases, expect->compare, hex))
        result->sha256 = hex;
    run_report_end(&cases->run.report, result);
    const bool fits = exited_with(result, expect->exit_code) &&
                      (!*expect->sha256 || (result->sha256 && !strcmp(result->sha256, expect->sha256)));
    result->sha256 = NULL;
    cases->runs_left--;
    reserve(cases);
    return fits && (expect->checker < 0 || (!cases->run.stuck && check(cases, task)));
}

static void skip(struct cases *cases, enum pe_stage_frame kind, const char *label)
{
    static const struct run_result skipped = {.end = PE_STAGE_SKIPPED};
    begin(cases, kind, label);
    run_report_end(&cases->run.report, &skipped);
    cases->runs_left -= 2;
}

/* ---- stages and cases ---- */

static bool is_needed_done(const struct cases *cases, size_t stage)
{
    const unsigned needs = cases->plan.stages[stage].needs;
    return (cases->succeeded & needs) == needs;
}

static void run_stage(struct cases *cases, size_t number)
{
    const struct pe_plan_stage *stage = &cases->plan.stages[number];
    const struct task task = {PE_STAGE_BEGIN,     stage->name, stage->arguments,
                              stage->environment, &stage->run, false};
    if (!is_needed_done(cases, number))
        skip(cases, PE_STAGE_BEGIN, stage->name);
    else if (run_task(cases, &task))
        cases->succeeded |= 1u << number;
}

/* The arguments of the last stage, and those of the case. The texts are shared. Without memory there are
 * none. */
static struct pe_arguments join(const struct pe_arguments *first, const struct pe_arguments *second)
{
    char **items = calloc(first->count + second->count + 1, sizeof *items);
    if (!items)
        return (struct pe_arguments){0};
    memcpy(items, first->items, first->count * sizeof *items);
    if (second->count)
        memcpy(items + first->count, second->items, second->count * sizeof *items);
    return (struct pe_arguments){.items = items, .count = first->count + second->count};
}

/* True if it succeeded. */
static bool run_case(struct cases *cases, const struct pe_plan_case *one, const char *label)
{
    const struct pe_plan_stage *stage = &cases->plan.stages[cases->plan.stage_count - 1];
    const struct task task = {PE_CASE_BEGIN,      label,     join(&stage->arguments, &one->arguments),
                              stage->environment, &one->run, true};
    if (!task.arguments.items) {
        skip(cases, PE_CASE_BEGIN, label);
        return false;
    }
    const bool succeeded = run_task(cases, &task);
    free(task.arguments.items);
    return succeeded;
}

static void run_cases(struct cases *cases)
{
    bool run = is_needed_done(cases, cases->plan.stage_count - 1);
    for (size_t i = 0; i < cases->plan.case_count && !cases->run.stuck; i++) {
        char label[12];
        snprintf(label, sizeof label, "%u", cases->plan.cases[i].number);
        if (!run)
            skip(cases, PE_CASE_BEGIN, label);
        else if (!run_case(cases, &cases->plan.cases[i], label))
            run = !cases->plan.stop;
    }
}

static int fail(const char *what)
{
    dprintf(STDERR_FILENO, "pe-shim: %s\n", what);
    return EXIT_CANNOT_EXECUTE;
}

int cases_run(void)
{
    static struct cases cases;
    struct pe_error err;
    if (read_plan(&cases.plan, &err) < 0)
        return fail(err.message);
    if (!getcwd(cases.directory, sizeof cases.directory) || close_input() < 0 ||
        stage_run_prepare(&cases.run, cases.plan.report_bytes) < 0)
        return fail("preparing the stages has failed");
    const size_t stages = cases.plan.stage_count - (cases.plan.case_count > 0);
    cases.output.limit = PE_OUTPUT_BYTES_MAX;
    cases.runs_left = 2 * (stages + cases.plan.case_count);
    for (size_t i = 0; i < stages && !cases.run.stuck; i++)
        run_stage(&cases, i);
    run_cases(&cases);
    return cases.run.stuck ? fail("the files of a case cannot be taken away") : 0;
}
