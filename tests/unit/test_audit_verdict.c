/* SPDX-License-Identifier: Apache-2.0 */
/* What runs of one job on several hosts say about the hosts. */
#include "lb/core/audit_verdict.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <string.h>

/* Runs by the letter of their host, in capitals if it is trusted, and the digit of their answer: "a1 B2". */
static size_t read_runs(const char *text, struct audit_run runs[AUDIT_RUNS_MAX])
{
    size_t count = 0;
    for (; *text; text += text[2] ? 3 : 2) {
        struct audit_run *run = &runs[count++];
        *run = (struct audit_run){.trusted = text[0] < 'a'};
        snprintf(run->host, sizeof run->host, "host-%c", text[0]);
        run->digest.out[0] = (uint8_t)text[1];
    }
    return count;
}

static struct audit_verdict judge(const char *text, bool has_another)
{
    struct audit_run runs[AUDIT_RUNS_MAX];
    return audit_judge(runs, read_runs(text, runs), has_another);
}

static void assert_step(const char *text, bool has_another, enum audit_step step)
{
    assert_int_equal(judge(text, has_another).step, step);
}

static void assert_again(const char *text, bool has_another, size_t again)
{
    assert_step(text, has_another, AUDIT_ASK_AGAIN);
    assert_int_equal(judge(text, has_another).again, again);
}

static void assert_suspects(const char *text, unsigned suspects)
{
    assert_step(text, true, AUDIT_SUSPICIOUS);
    assert_int_equal(judge(text, true).suspects, suspects);
}

static void two_hosts_that_agree_are_enough(void **state)
{
    (void)state;
    assert_step("a1", true, AUDIT_ASK_ANOTHER);
    assert_step("a1 b1", true, AUDIT_SAME);
}

static void a_third_host_decides_and_must_give_the_same_answer_twice(void **state)
{
    (void)state;
    assert_step("a1 b2", true, AUDIT_ASK_ANOTHER);
    assert_again("a1 b2 c1", true, 2);
    assert_again("a1 b2 c2", true, 2);
    assert_suspects("a1 b2 c1 c1", 1u << 1);
    assert_suspects("a1 b2 c2 c2", 1u << 0);
    assert_step("a1 b2 c1 c2", true, AUDIT_UNSTABLE);
}

static void hosts_that_all_differ_are_no_evidence(void **state)
{
    (void)state;
    assert_step("a1 b2 c3", true, AUDIT_UNSTABLE);
}

static void without_a_third_host_nobody_is_suspected(void **state)
{
    (void)state;
    assert_again("a1 b2", false, 0);
    assert_again("a1 b2 a1", false, 1);
    assert_step("a1 b2 a1 b2", false, AUDIT_UNDECIDED);
    assert_step("a1 b2 a3", false, AUDIT_UNSTABLE);
    assert_step("a1 b2 a1 b2", true, AUDIT_ASK_ANOTHER);
    assert_again("a1 b2 a1 b2 c2", true, 4);
    assert_suspects("a1 b2 a1 b2 c2 c2", 1u << 0 | 1u << 2);
}

static void a_trusted_host_is_believed_against_many_others(void **state)
{
    (void)state;
    assert_again("a1 B2", true, 1);
    assert_suspects("a1 B2 B2", 1u << 0);
    assert_step("a1 B2 B1", true, AUDIT_UNSTABLE);
    assert_again("A1 b2", true, 0);
    assert_suspects("A1 b2 A1", 1u << 1);
    assert_again("a1 b2 C3", true, 2);
    assert_suspects("a1 b2 C3 C3", 1u << 0 | 1u << 1);
}

static void trusted_hosts_that_contradict_one_another_count_as_others_do(void **state)
{
    (void)state;
    assert_step("A1 B2", true, AUDIT_ASK_ANOTHER);
    assert_again("A1 B2 c1", true, 2);
    assert_suspects("A1 B2 c1 c1", 1u << 1);
}

/* ---- digests ---- */

/* A result with one byte of stdout and one file. */
static struct audit_digest digest_of(const char *bytes, int exit_code, uint32_t mode, uint32_t mtime)
{
    struct pe_error err;
    struct pe_path path;
    struct audit_digest digest;
    struct job_result result = {.fields = {.exit_code = exit_code, .wall_us = mtime},
                                .bytes = {.data = (uint8_t *)bytes, .size = 2}};
    assert_int_equal(pe_path_parse("out", 3, 1, &path, &err), 0);
    assert_int_equal(pe_parts_add(&result.parts, PE_PART_STDOUT, NULL, 1, 0, &err), 0);
    assert_int_equal(pe_parts_add(&result.parts, PE_PART_STDERR, NULL, 0, 0, &err), 0);
    assert_int_equal(pe_parts_add(&result.parts, PE_PART_FILE, &path, 1, mode, &err), 0);
    result.parts.items[2].mtime = mtime;
    assert_int_equal(audit_digest_make(&result, &digest, &err), 0);
    pe_parts_free(&result.parts);
    return digest;
}

static void everything_but_times_is_compared(void **state)
{
    (void)state;
    const struct audit_digest one = digest_of("ab", 0, 0644, 1), later = digest_of("ab", 0, 0644, 2);
    const struct audit_digest others[] = {digest_of("ab", 1, 0644, 1), digest_of("xb", 0, 0644, 1),
                                          digest_of("ax", 0, 0644, 1), digest_of("ab", 0, 0755, 1)};
    assert_null(audit_difference(&one, &later));
    assert_string_equal(audit_difference(&one, &others[0]), "exit status");
    assert_string_equal(audit_difference(&one, &others[1]), "stdout");
    assert_string_equal(audit_difference(&one, &others[2]), "output files");
    assert_string_equal(audit_difference(&one, &others[3]), "output files");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_hosts_that_agree_are_enough),
        cmocka_unit_test(a_third_host_decides_and_must_give_the_same_answer_twice),
        cmocka_unit_test(hosts_that_all_differ_are_no_evidence),
        cmocka_unit_test(without_a_third_host_nobody_is_suspected),
        cmocka_unit_test(a_trusted_host_is_believed_against_many_others),
        cmocka_unit_test(trusted_hosts_that_contradict_one_another_count_as_others_do),
        cmocka_unit_test(everything_but_times_is_compared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
