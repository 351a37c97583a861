/* SPDX-License-Identifier: Apache-2.0 */
/* Directories of cases: which files are pairs, their order, and what is refused. */
#include "cli/case_folder.h"
#include "tests/unit/check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A directory that is the current one while a test runs. */
static int enter(void **state)
{
    char path[] = "/tmp/pe-test-cases-XXXXXX";
    if (!mkdtemp(path) || chdir(path) < 0)
        return -1;
    *state = strdup(path);
    return *state ? 0 : -1;
}

static int leave(void **state)
{
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", (char *)*state);
    free(*state);
    return chdir("/") < 0 || system(command) != 0 ? -1 : 0; /* NOLINT(cert-env33-c): a path of mkdtemp */
}

static void make(const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = open(names[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
}

#define MAKE(...)                                 \
    do {                                          \
        const char *const made[] = {__VA_ARGS__}; \
        make(made, sizeof made / sizeof *made);   \
    } while (0)

static void refused(bool needs_answers, enum pe_error_kind kind, const char *part)
{
    autocasefolder struct case_folder folder = {0};
    struct pe_error err;
    assert_int_equal(case_folder_read(".", needs_answers, &folder, &err), -1);
    assert_error(err, kind, part);
}

static void pairs_are_found_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    struct pe_error err;
    autocasefolder struct case_folder folder = {0};
    MAKE("10.in", "10.out", "2.in", "2.ans", "1.in", "1.out", "a.b.in", "a.b.out", "README", ".hidden.in",
         "in", "x.txt");
    assert_int_equal(mkdir("directory.txt", 0700), 0);
    assert_int_equal(case_folder_read(".", true, &folder, &err), 0);
    static const char *const wanted[][2] = {{"1", "out"}, {"2", "ans"}, {"10", "out"}, {"a.b", "out"}};
    assert_int_equal(folder.count, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(folder.items[i].name, wanted[i][0]);
        assert_string_equal(folder.items[i].answer, wanted[i][1]);
    }
}

static void an_answer_may_be_missing_only_if_none_is_needed(void **state)
{
    (void)state;
    struct pe_error err;
    autocasefolder struct case_folder folder = {0};
    MAKE("1.in");
    refused(true, PE_ERR_INVALID, "./1.in has no answer: there is no 1.out or 1.ans");
    assert_int_equal(case_folder_read(".", false, &folder, &err), 0);
    assert_int_equal(folder.count, 1);
    assert_null(folder.items[0].answer);
}

static void what_is_no_pair_is_refused(void **state)
{
    (void)state;
    MAKE("README");
    refused(true, PE_ERR_INVALID, "has no cases");
    MAKE("2.ans");
    refused(false, PE_ERR_INVALID, "./2.ans has no input: there is no 2.in");
    MAKE("2.in", "2.out");
    refused(true, PE_ERR_INVALID, "2.out as well as 2.ans");
}

static void a_symbolic_link_is_refused(void **state)
{
    (void)state;
    MAKE("1.out");
    assert_int_equal(symlink("/etc/passwd", "1.in"), 0);
    refused(true, PE_ERR_INVALID, "./1.in is not a regular file");
}

static void names_and_numbers_of_cases_are_bounded(void **state)
{
    (void)state;
    char name[PE_STAGE_NAME_MAX + 8];
    memset(name, 'x', PE_STAGE_NAME_MAX + 1);
    snprintf(name + PE_STAGE_NAME_MAX + 1, 7, ".in");
    MAKE(name);
    refused(false, PE_ERR_INVALID, "has more than 64 bytes");
    unlink(name);
    for (unsigned i = 0; i <= PE_CASES_MAX; i++) {
        snprintf(name, sizeof name, "%u.in", i);
        MAKE(name);
    }
    refused(false, PE_ERR_TOO_LARGE, "has more than 1000 cases");
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, enter, leave)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(pairs_are_found_in_the_order_of_their_numbers),
        IN_DIRECTORY(an_answer_may_be_missing_only_if_none_is_needed),
        IN_DIRECTORY(what_is_no_pair_is_refused),
        IN_DIRECTORY(a_symbolic_link_is_refused),
        IN_DIRECTORY(names_and_numbers_of_cases_are_bounded),
    };
    return cmocka_run_group_tests_name("case_folder", tests, NULL, NULL);
}
