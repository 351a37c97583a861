/* SPDX-License-Identifier: Apache-2.0 */
/* Without memory, no message and no configuration is made of which something is missing: a VM without a
 * device, a job with another command, an answer that belongs to no question. */
#include "cli/mcp_message.h"
#include "lb/mcp/message.h"
#include "lb/mcp/run_tool.h"
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"
#include "worker/vmm/ch_config.h"

#include <string.h>

/* Only requests have headers. */
int transfer_header(struct transfer *transfer, const char *name, const char *value, struct pe_error *err)
{
    (void)transfer, (void)name, (void)value;
    return pe_fail(err, PE_ERR_INTERNAL, "there is no transfer");
}

/* ---- VMs of cloud-hypervisor ---- */

static const struct ch_fds fds = {.memory = 9, .pmem = {10, 11, 12, 13}, .disks = {14, 15}};

static void assert_boots_complete_or_not(const struct vm_spec *spec)
{
    json_t *whole = ch_config_boot(spec, &fds, "/run/vm");
    assert_non_null(whole);
    for (size_t n = 0, failed = 1; failed; n++) {
        starve_json(n);
        json_t *config = ch_config_boot(spec, &fds, "/run/vm");
        failed = feed_json();
        assert_true(config ? json_equal(config, whole) : (int)failed);
        json_decref(config);
    }
    json_decref(whole);
}

static void a_vm_with_extras_has_all_of_them_or_does_not_boot(void **state)
{
    (void)state;
    const struct vm_extras extras = {.disks = {{.fd = 14}, {.fd = 15, .writable = true}},
                                     .disk_count = 2,
                                     .memory_max_mib = 512,
                                     .cpus_max = 2,
                                     .vsock_cid = 3};
    const struct vm_spec spec = {.memory_mib = 256, .cpus = 1, .guest_options = "", .extras = &extras};
    assert_boots_complete_or_not(&spec);
}

static const struct vm_spec of_job = {.memory_mib = 256,
                                      .cpus = 1,
                                      .pmem = {{.fd = 10, .bytes = 4096},
                                               {.fd = 11, .bytes = 4096, .writable = true},
                                               {.fd = 12, .bytes = 4096, .writable = true},
                                               {.fd = 13, .bytes = 4096, .writable = true}},
                                      .guest_options = "",
                                      .savable = true};

static void a_vm_of_a_job_has_all_devices_or_does_not_boot(void **state)
{
    (void)state;
    assert_boots_complete_or_not(&of_job);
}

/* The snapshot is not at fault. */
static void a_clone_without_memory_says_so(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        struct pe_error err;
        json_t *config = ch_config_boot(&of_job, &fds, "/run/vm");
        starve_json(n);
        int made = ch_config_clone(config, &of_job, &fds, "/run/clone", &err);
        failed = feed_json();
        assert_true(made == 0 || failed);
        if (made < 0)
            assert_error(err, PE_ERR_INTERNAL, "out of memory");
        json_decref(config);
    }
}

/* ---- agents ---- */

static void a_job_of_an_agent_has_its_command_or_is_not_run(void **state)
{
    (void)state;
    json_t *arguments = json_pack("{s:s, s:s, s:s}", "image", "gcc:14", "cmd", "make", "stdin", "text");
    for (size_t n = 0, failed = 1; failed; n++) {
        struct submission submission = {0};
        struct pe_error err;
        starve_json(n);
        int made = run_tool_read(arguments, &submission, &err);
        failed = feed_json();
        assert_true(made == 0 || failed);
        if (made == 0) {
            assert_int_equal(submission.spec.cmd_count, 3);
            assert_string_equal(submission.spec.cmd[2], "make");
            assert_string_equal(submission.spec.image, "gcc:14");
        }
        submission_free(&submission);
    }
    json_decref(arguments);
}

/* Without the id, nobody would know to which request it belongs. */
static void an_answer_to_an_agent_has_the_id_of_its_request_or_is_not_sent(void **state)
{
    (void)state;
    const struct mcp_message message = {.id = json_string("7")};
    for (size_t n = 0, failed = 1; failed; n++) {
        json_t *result = json_object();
        starve_json(n);
        json_t *answer = mcp_response(&message, result), *error = mcp_error_response(&message, 1, "x", NULL);
        failed = feed_json();
        assert_true(answer ? json_equal(json_object_get(answer, "id"), message.id) : (int)failed);
        assert_true(error ? json_equal(json_object_get(error, "id"), message.id) : (int)failed);
        json_decref(answer);
        json_decref(error);
    }
    json_decref((json_t *)message.id);
}

static void a_failure_of_the_bridge_has_the_id_of_its_request_or_is_not_printed(void **state)
{
    (void)state;
    json_t *id = json_string("7");
    for (size_t n = 0, failed = 1; failed; n++) {
        struct pe_buf line = {0};
        struct pe_error err;
        starve_json(n);
        int made = mcp_append_failure(id, MCP_NO_MESSAGE, "x", &line, &err);
        failed = feed_json();
        assert_true(made == 0 || failed);
        if (made == 0)
            assert_non_null(memmem(line.data, line.size, "\"id\":\"7\"", 8));
        pe_buf_free(&line);
    }
    json_decref(id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_with_extras_has_all_of_them_or_does_not_boot),
        cmocka_unit_test(a_vm_of_a_job_has_all_devices_or_does_not_boot),
        cmocka_unit_test(a_clone_without_memory_says_so),
        cmocka_unit_test(a_job_of_an_agent_has_its_command_or_is_not_run),
        cmocka_unit_test(an_answer_to_an_agent_has_the_id_of_its_request_or_is_not_sent),
        cmocka_unit_test(a_failure_of_the_bridge_has_the_id_of_its_request_or_is_not_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
