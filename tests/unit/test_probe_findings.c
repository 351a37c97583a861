/* SPDX-License-Identifier: Apache-2.0 */
/* What is remembered about the engines of a host. */
#include "tests/unit/check.h"
#include "worker/vmm/probe_findings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pe-test-findings-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/engines", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static enum probe_verdict verdict_about(enum pe_error_kind kind, int errnum)
{
    struct probe_findings findings = {.count = 0};
    const struct pe_error why = {.kind = kind, .errnum = errnum, .message = "the reason"};
    probe_findings_set(&findings, "qemu+kvm+boot", &why);
    const struct probe_finding *finding = probe_findings_of(&findings, "qemu+kvm+boot");
    assert_string_equal(finding->why, "the reason");
    return finding->verdict;
}

static void what_a_busy_host_causes_is_no_verdict(void **state)
{
    (void)state;
    assert_int_equal(verdict_about(PE_ERR_TIMEOUT, 0), PROBE_UNDECIDED);
    assert_int_equal(verdict_about(PE_ERR_INTERNAL, ENOMEM), PROBE_UNDECIDED);
    assert_int_equal(verdict_about(PE_ERR_INTERNAL, EAGAIN), PROBE_UNDECIDED);
    assert_int_equal(verdict_about(PE_ERR_LOST, 0), PROBE_FAILS);
    assert_int_equal(verdict_about(PE_ERR_INVALID, 0), PROBE_FAILS);
    assert_int_equal(verdict_about(PE_ERR_INTERNAL, EACCES), PROBE_FAILS);
}

static void only_an_undecided_engine_before_the_one_that_works_is_unfinished(void **state)
{
    (void)state;
    struct probe_findings findings = {.count = 0};
    const struct pe_error slow = {.kind = PE_ERR_TIMEOUT}, wrong = {.kind = PE_ERR_INVALID};
    probe_findings_set(&findings, "a", &slow);
    probe_findings_set(&findings, "b", NULL);
    probe_findings_set(&findings, "c", &slow);
    assert_true(probe_findings_are_unfinished(&findings));
    probe_findings_set(&findings, "a", &wrong);
    assert_int_equal(findings.count, 3);
    assert_false(probe_findings_are_unfinished(&findings));
}

static void findings_are_read_as_they_were_written(void **state)
{
    (void)state;
    struct probe_memory memory = {.engine = "uml+boot", .reason = "uml+boot; not a, b"}, read;
    struct pe_error slow = {.kind = PE_ERR_TIMEOUT, .message = "no answer"}, err;
    struct pe_error wrong = {.kind = PE_ERR_INVALID, .message = "there is none"};
    probe_findings_set(&memory.findings, "a", &slow);
    probe_findings_set(&memory.findings, "b", &wrong);
    probe_findings_set(&memory.findings, "uml+boot", NULL);
    probe_findings_set(&memory.findings, "worse", &slow);
    assert_int_equal(probe_memory_write(&memory, "this host", path, &err), 0);
    assert_int_equal(probe_memory_read(&read, "this host", path), 1);
    assert_string_equal(read.engine, "uml+boot");
    assert_string_equal(read.reason, "uml+boot; not a, b");
    assert_int_equal(read.findings.count, 3);
    assert_int_equal(probe_findings_of(&read.findings, "a")->verdict, PROBE_UNDECIDED);
    assert_string_equal(probe_findings_of(&read.findings, "a")->why, "no answer");
    assert_int_equal(probe_findings_of(&read.findings, "b")->verdict, PROBE_FAILS);
    assert_int_equal(probe_findings_of(&read.findings, "uml+boot")->verdict, PROBE_WORKS);
    assert_null(probe_findings_of(&read.findings, "worse"));
}

static void findings_about_another_host_are_not_used(void **state)
{
    (void)state;
    struct probe_memory memory = {.engine = "uml+boot"}, read;
    struct pe_error err;
    probe_findings_set(&memory.findings, "uml+boot", NULL);
    assert_int_equal(probe_memory_write(&memory, "this host", path, &err), 0);
    assert_int_equal(probe_memory_read(&read, "another host", path), 0);
    assert_int_equal(read.findings.count, 0);
    assert_string_equal(read.engine, "");
}

static void a_memory_that_cannot_be_written_leaves_no_file(void **state)
{
    (void)state;
    struct probe_memory memory = {.engine = "uml+boot"};
    struct pe_error err;
    char unfinished[80];
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0); /* a file cannot take its place */
    assert_int_equal(probe_memory_write(&memory, "this host", path, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot rename ");
    assert_int_equal(access(unfinished, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_busy_host_causes_is_no_verdict),
        cmocka_unit_test(only_an_undecided_engine_before_the_one_that_works_is_unfinished),
        cmocka_unit_test(findings_are_read_as_they_were_written),
        cmocka_unit_test(findings_about_another_host_are_not_used),
        cmocka_unit_test(a_memory_that_cannot_be_written_leaves_no_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
