/* SPDX-License-Identifier: Apache-2.0 */
/* Stages and cases of a job: what is accepted, what is filled in, and what each refusal says. */
#include "lb/cases/expected.h"
#include "lb/cases/request.h"
#include "proto/expect.h"
#include "proto/limits.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>

static const struct case_rules rules = {.total_ms = 600000, .slots = 4};

struct job {
    struct submission submission;
    struct case_request request;
    struct pe_error err;
};

/* `body` is a job in JSON, with ' in the place of ". */
static int decode(struct job *job, const char *body)
{
    char *text = strdup(body);
    *job = (struct job){0};
    for (char *quote = text; (quote = strchr(quote, '\''));)
        *quote = '"';
    int failed = submission_parse_json(text, strlen(text), &job->submission, &job->err) < 0 ||
                 case_request_decode(&job->submission, &rules, &job->request, &job->err) < 0;
    if (failed)
        case_request_free(&job->request);
    free(text);
    return failed ? -1 : 0;
}

static void release(struct job *job)
{
    case_request_free(&job->request);
    submission_free(&job->submission);
}

static void refused(const char *body, enum pe_error_kind kind, const char *part)
{
    struct job job;
    assert_int_equal(decode(&job, body), -1);
    assert_error(job.err, kind, part);
    release(&job);
}

#define JOB(members) "{'image':'a'," members "}"
#define STAGE(members) JOB("'stages':[{'cmd':['a']," members "}]")
#define CASE(members) JOB("'stages':[{'cmd':['a']}],'cases':[{" members "}]")

static void assert_bytes(const struct case_bytes *bytes, const char *wanted)
{
    assert_true(bytes->is_given);
    assert_int_equal(bytes->bytes.left, strlen(wanted));
    assert_memory_equal(bytes->bytes.at, wanted, strlen(wanted));
}

static void a_job_with_every_field_of_stages_and_cases_is_decoded(void **state)
{
    (void)state;
    struct job job;
    assert_int_equal(
        decode(&job, JOB("'files':{'a.c':'x','in':'file in','out':'file out'},"
                         "'stages':[{'name':'compile','cmd':['cc','a.c'],'env':{'A':'b'},'stdin':'s'},"
                         "{'name':'run','cmd':['./a'],'needs':'compile','timeout_ms':100,'cpu_ms':50,"
                         "'memory_mib':64,'stdout_max':10,'stderr_max':20,"
                         "'expect':{'compare':'exact','exit_code':3}}],"
                         "'cases':[{'name':'first','stdin':{'file':'in'},'expect':{'file':'out'}},"
                         "{'stdin':{'base64':'AAE='},'args':['x','y'],'expect':'text','timeout_ms':7},"
                         "{'expect':{'checker':['./check'],'text':'t'}}],"
                         "'on_failure':'stop','slots':9")),
        0);
    const struct case_request *request = &job.request;
    assert_int_equal(request->stage_count, 2);
    assert_string_equal(request->stages[0].env.items[0], "A=b");
    assert_bytes(&request->stages[0].run.input, "s");
    assert_int_equal(request->stages[0].run.timeout_ms, PE_TIMEOUT_MS_DEFAULT);
    assert_int_equal(request->stages[1].needs, 1);
    assert_int_equal(request->case_count, 3);
    const struct case_case *cases = request->cases;
    assert_string_equal(cases[0].run.name, "first");
    assert_bytes(&cases[0].run.input, "file in");
    assert_bytes(&cases[0].run.expect.output, "file out");
    assert_true(cases[0].run.expect.is_exact);
    assert_int_equal(cases[0].run.expect.exit_code, 3);
    assert_int_equal(cases[0].run.memory_mib, 64);
    assert_string_equal(cases[1].run.name, "2");
    assert_int_equal(cases[1].run.input.bytes.left, 2);
    assert_string_equal(cases[1].args.items[1], "y");
    assert_int_equal(cases[1].run.timeout_ms, 7);
    assert_int_equal(cases[1].run.stderr_max, 20);
    assert_string_equal(cases[2].run.expect.checker.items[0], "./check");
    assert_true(request->stops);
    assert_int_equal(request->slots, 3);
    assert_false(request->file_is_taken[0]);
    assert_true(request->file_is_taken[1] && request->file_is_taken[2]);
    release(&job);
}

static void a_stage_without_needs_needs_all_that_are_before_it(void **state)
{
    (void)state;
    struct job job;
    assert_int_equal(decode(&job, JOB("'stages':[{'cmd':['a']},{'cmd':['b']},{'cmd':['c']},"
                                      "{'cmd':['d'],'needs':[]},{'cmd':['e'],'needs':['1','3']}]")),
                     0);
    assert_int_equal(job.request.stages[2].needs, 3);
    assert_int_equal(job.request.stages[3].needs, 0);
    assert_int_equal(job.request.stages[4].needs, 5);
    assert_int_equal(job.request.case_count, 0);
    assert_int_equal(case_request_once(&job.request), 5);
    release(&job);
}

static void input_and_expected_output_may_have_any_character(void **state)
{
    (void)state;
    struct job job;
    assert_int_equal(decode(&job, JOB("'stages':[{'cmd':['a'],'stdin':'a\\u0000b'}],"
                                      "'cases':[{},{'expect':{'text':'c\\u0000'}},{'expect':'\\u0000'}]")),
                     0);
    const struct pe_cursor *input = &job.request.cases[0].run.input.bytes;
    assert_int_equal(input->left, 3);
    assert_memory_equal(input->at, "a\0b", 3);
    release(&job);
    refused(STAGE("'name':'x\\u0000'"), PE_ERR_INVALID, "field 'name' has a NUL character");
    refused(CASE("'args':['x\\u0000']"), PE_ERR_INVALID, "field 'args' has a NUL character");
    refused(JOB("'cmd':['x\\u0000']"), PE_ERR_INVALID, "field 'cmd' has a NUL character");
}

static void wrong_fields_are_named_with_their_stage_or_case(void **state)
{
    (void)state;
    refused(JOB("'stages':{}"), PE_ERR_INVALID, "field 'stages' must be an array");
    refused(JOB("'stages':[]"), PE_ERR_INVALID, "field 'stages' is empty");
    refused(JOB("'stages':[1]"), PE_ERR_INVALID, "stages[0]: it must be an object");
    refused(JOB("'stages':[{}]"), PE_ERR_INVALID, "stages[0]: field 'cmd' is missing");
    refused(JOB("'stages':[{'cmd':[]}]"), PE_ERR_INVALID, "stages[0]: field 'cmd' is empty");
    refused(STAGE("'colour':1"), PE_ERR_INVALID, "stages[0]: unknown field 'colour'");
    refused(STAGE("'args':[]"), PE_ERR_INVALID, "stages[0]: unknown field 'args'");
    refused(STAGE("'name':'x','name':'y'"), PE_ERR_MALFORMED, "occurs twice");
    refused(STAGE("'name':''"), PE_ERR_INVALID, "stages[0]: field 'name' is empty");
    refused(STAGE("'name':'a name that is much longer than the name of any stage can ever be: 65'"),
            PE_ERR_INVALID, "field 'name' is too long");
    refused(STAGE("'needs':'x'"), PE_ERR_INVALID, "'needs' names 'x', which is no earlier stage");
    refused(STAGE("'needs':'1'"), PE_ERR_INVALID, "which is no earlier stage");
    refused(STAGE("'timeout_ms':0"), PE_ERR_INVALID, "'timeout_ms' must be from 1 to 300000");
    refused(STAGE("'memory_mib':1025"), PE_ERR_INVALID, "'memory_mib' must be from 1 to 1024");
    refused(STAGE("'cpu_ms':1.5"), PE_ERR_INVALID, "'cpu_ms' must be a whole number");
    refused(STAGE("'stdin':7"), PE_ERR_INVALID, "field 'stdin' must be a string");
    refused(STAGE("'stdin':{}"), PE_ERR_INVALID, "field 'stdin' has none of");
    refused(STAGE("'stdin':{'text':'a','base64':''}"), PE_ERR_INVALID, "only one of");
    refused(STAGE("'stdin':{'file':'x'}"), PE_ERR_INVALID, "which is not among the files");
    refused(STAGE("'stdin':{'base64':'%'}"), PE_ERR_INVALID, "field 'base64'");
    refused(STAGE("'env':{'':''}"), PE_ERR_INVALID, "field 'env'");
    refused(STAGE("'expect':{'compare':'loosely'}"), PE_ERR_INVALID, "must be \"exact\" or");
    refused(STAGE("'expect':{'checker':['a'],'compare':'exact'}"), PE_ERR_INVALID, "decides alone");
    refused(STAGE("'expect':{'checker':'a'}"), PE_ERR_INVALID, "must be an array");
    refused(STAGE("'expect':{'exit_code':256}"), PE_ERR_INVALID, "from 0 to 255");
    refused(STAGE("'expect':{'size':1}"), PE_ERR_INVALID, "unknown field 'size'");
    refused(CASE("'cmd':['b']"), PE_ERR_INVALID, "cases[0]: unknown field 'cmd'");
    refused(JOB("'stages':[{'cmd':['a']}],'cases':[]"), PE_ERR_INVALID, "'cases' is empty");
    refused(JOB("'stages':[{'cmd':['a']}],'cases':7"), PE_ERR_INVALID, "'cases' must be an array");
    refused(JOB("'stages':[{'cmd':['a'],'name':'x'},{'cmd':['b'],'name':'x'}]"), PE_ERR_INVALID,
            "stages[1]: the name 'x' was given to stages[0]");
}

static void wrong_members_of_the_job_are_named(void **state)
{
    (void)state;
    refused(JOB("'cases':[{}]"), PE_ERR_INVALID, "field 'stages' is missing");
    refused(JOB("'slots':2"), PE_ERR_INVALID, "field 'stages' is missing");
    refused(STAGE("'name':'x'}],'stages':[{'cmd':['a']"), PE_ERR_INVALID, "'stages' was sent twice");
    refused(JOB("'cmd':['a'],'stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "field 'cmd' is not for a job");
    refused(JOB("'combined':true,'stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "'combined' is not for a job");
    refused(JOB("'stdout_max':7,'stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "'stdout_max' is not for");
    refused(JOB("'on_failure':'x','stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "\"continue\" or \"stop\"");
    refused(JOB("'on_failure':1,'stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "must be a string");
    refused(JOB("'slots':0,'stages':[{'cmd':['a']}]"), PE_ERR_INVALID, "'slots' must be from 1 to 1000");
    refused(JOB("'stages':[{'cmd':['a']}],'nonsense':1"), PE_ERR_INVALID, "unknown field 'nonsense'");
    refused("{'stages':[{'cmd':['a']}]}", PE_ERR_INVALID, "field 'image' is missing");
    refused(JOB("'stages':[{'cmd':['a']}]") "x", PE_ERR_MALFORMED, "the body is not JSON");
}

static void the_time_of_all_stages_and_cases_is_limited_unless_the_job_says_how_long_it_runs(void **state)
{
    (void)state;
    struct job job;
    refused(JOB("'stages':[{'cmd':['a'],'timeout_ms':300000},{'cmd':['a'],'timeout_ms':300000}]"),
            PE_ERR_INVALID, "are 605200 ms together, with the time between them; at most 600000 ms");
    refused(JOB("'stages':[{'cmd':['a']}],'timeout_ms':600001"), PE_ERR_INVALID, "from 1 to 600000");
    assert_int_equal(decode(&job, JOB("'timeout_ms':600000,'stages':[{'cmd':['a'],'timeout_ms':300000},"
                                      "{'cmd':['a'],'timeout_ms':300000}]")),
                     0);
    release(&job);
}

/* `count` cases, each with these members. */
static char *many_cases(size_t count, const char *members)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    fputs("{'image':'a','timeout_ms':1000,'stages':[{'cmd':['a']}],'cases':[", stream);
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s{%s}", i ? "," : "", members);
    fputs("]}", stream);
    fclose(stream);
    return text;
}

static void the_numbers_of_cases_and_of_arguments_are_bounded(void **state)
{
    (void)state;
    struct job job;
    char *most = many_cases(CASES_MAX, "'args':['a','b']"), *more = many_cases(CASES_MAX + 1, "");
    char *texts = many_cases(CASES_MAX, "'args':['','','','','','','','','','','','','','','','','','',''"
                                        ",'','','','','','','','','','','','','','','','','','','','','','',"
                                        "'','','','','','','','','','','','','','','','','','','','','','',"
                                        "'','','','','']");
    assert_int_equal(decode(&job, most), 0);
    assert_int_equal(job.request.case_count, CASES_MAX);
    release(&job);
    refused(more, PE_ERR_TOO_LARGE, "more than 1000 cases");
    refused(texts, PE_ERR_TOO_LARGE, "more than 65536 arguments");
    refused(JOB("'stages':[{'cmd':['a']},{'cmd':['a']},{'cmd':['a']},{'cmd':['a']},{'cmd':['a']},{'cmd':['a'"
                "]},{'cmd':['a']},{'cmd':['a']},{'cmd':['a']}]"),
            PE_ERR_INVALID, "more than 8 stages");
    free(most);
    free(more);
    free(texts);
}

static void balancer_and_guest_hash_outputs_alike(void **state)
{
    (void)state;
    struct pe_error err;
    static const char *const outputs[] = {"", "a", " a \n\n b\t\r\n \n", "\n\n", "a\nb  c \n"};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++)
        for (int how = PE_EXPECT_TRAILING_SPACE; how <= PE_EXPECT_EXACT; how++) {
            char balancer[PE_SHA256_HEX_SIZE], guest[PE_SHA256_HEX_SIZE];
            const struct pe_cursor output = {.at = (const uint8_t *)outputs[i], .left = strlen(outputs[i])};
            assert_int_equal(case_output_hash(how == PE_EXPECT_EXACT, output, balancer, &err), 0);
            assert_int_equal(pe_expect_hash((enum pe_expect_compare)how, output.at, output.left, guest, &err),
                             0);
            assert_string_equal(balancer, guest);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(balancer_and_guest_hash_outputs_alike),
        cmocka_unit_test(a_job_with_every_field_of_stages_and_cases_is_decoded),
        cmocka_unit_test(a_stage_without_needs_needs_all_that_are_before_it),
        cmocka_unit_test(input_and_expected_output_may_have_any_character),
        cmocka_unit_test(wrong_fields_are_named_with_their_stage_or_case),
        cmocka_unit_test(wrong_members_of_the_job_are_named),
        cmocka_unit_test(the_time_of_all_stages_and_cases_is_limited_unless_the_job_says_how_long_it_runs),
        cmocka_unit_test(the_numbers_of_cases_and_of_arguments_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
