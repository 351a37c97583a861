/* SPDX-License-Identifier: Apache-2.0 */
/* Permits, between a template server and slots that do not release them, go away, or wait for one that never
 * comes. */
#include "base/cleanup.h"
#include "base/io.h"
#include "tests/unit/check.h"
#include "tests/unit/no_vms.h"
#include "worker/admission.h"
#include "worker/slot_helper.h"
#include "worker/template_channel.h"
#include "worker/template_client.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

enum { WAIT_MS = 50, HANGS_AFTER_S = 20 };

static char folder[] = "/tmp/pe-test-admission-XXXXXX";
static struct worker_config config = {
    .vm = {.run_dir = folder}, .slots = 1, .warm = {.refills = 1}, .templates = {.listener = -1}};
static struct template_cache cache;
static struct admission admission;

/* ---- stand-ins ---- */

static enum template_availability availability;

enum template_availability template_cache_lookup(struct template_cache *looked, const char *image,
                                                 const struct template **found)
{
    (void)looked;
    (void)image;
    *found = NULL;
    return availability;
}

void template_cache_report_broken(struct template_cache *looked, const char *image)
{
    (void)looked;
    (void)image;
}

/* ---- what the template server does when poll(2) returns ---- */

static void serve(void)
{
    static struct pollfd fds[ADMISSION_CLIENTS_MAX];
    struct pollfd listener = {.fd = config.templates.listener, .events = POLLIN};
    while (poll(&listener, 1, 0) > 0)
        admission_accept(&admission);
    size_t count = admission_list_fds(&admission, fds);
    assert_true(poll(fds, count, 0) >= 0);
    admission_dispatch(&admission, fds);
    admission_grant(&admission);
}

/* ---- what slots do ---- */

static void request_run(struct template_client *client)
{
    struct pe_error err;
    if (template_client_request_run(client, &config, &err) < 0)
        fail_msg("%s", err.message);
    serve();
}

static void request_vm(struct template_client *client, bool now)
{
    struct pe_error err;
    if (template_client_request_vm(client, &config, "image:1", now, &err) < 0)
        fail_msg("%s", err.message);
    serve();
}

/* Whether the permit is there, or comes within a moment. */
static bool gets_permit(struct template_client *client)
{
    struct pe_error err;
    struct vm_snapshot none;
    return client->fd >= 0 && template_client_receive(client, WAIT_MS, &none, &err) == 1;
}

/* The time in which the server answers is over. Returns what the slot does: 0 if it goes on waiting. */
static int wait_for_answer(struct template_client *client, struct pe_error *err)
{
    uint64_t again_us = 0;
    client->ask_us = pe_now_us();
    int failed = template_client_go_on_waiting(client, &again_us, err);
    assert_true(failed || again_us > pe_now_us());
    return failed;
}

/* ---- tests ---- */

static int set_up(void **state)
{
    struct pe_error err;
    (void)state;
    alarm(HANGS_AFTER_S); /* a wait without end */
    admission_init(&admission, &config, &cache);
    availability = TEMPLATE_UNAVAILABLE;
    config.templates.listener = mkdtemp(folder) ? template_channel_listen(&config, &err) : -1;
    return config.templates.listener >= 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    char path[128];
    (void)state;
    for (size_t i = 0; i < admission.count; i++)
        close(admission.clients[i].fd);
    close(config.templates.listener);
    snprintf(path, sizeof path, "%s/templates", folder);
    unlink(path);
    int failed = rmdir(folder);
    memset(folder + sizeof folder - 7, 'X', 6);
    alarm(0);
    return failed;
}

static void a_slot_does_not_wait_for_longer_than_it_wants_for_a_server_that_is_silent(void **state)
{
    (void)state;
    struct template_client client = TEMPLATE_CLIENT_NONE;
    struct vm_snapshot none;
    struct pe_error err;
    assert_int_equal(template_client_request_vm(&client, &config, "image:1", true, &err), 0);
    uint64_t began_us = pe_now_us();
    assert_int_equal(template_client_receive(&client, WAIT_MS, &none, &err), 0);
    assert_true(pe_now_us() - began_us >= WAIT_MS * 1000 - 1000);
    assert_int_equal(none.memory_fd, -1);
    template_client_release(&client); /* what comes too late is not taken for the answer to a later request */
    assert_int_equal(client.fd, -1);
    serve(); /* the request */
    serve(); /* the end of its connection */
    assert_int_equal(admission.count, 0);
}

static void a_server_that_has_gone_is_noticed_at_once(void **state)
{
    (void)state;
    struct template_client client = TEMPLATE_CLIENT_NONE;
    struct vm_snapshot none;
    struct pe_error err;
    request_run(&client);
    assert_true(gets_permit(&client));
    close(admission.clients[--admission.count].fd);
    assert_int_equal(template_client_receive(&client, -1, &none, &err), -1);
    assert_int_equal(err.kind, PE_ERR_LOST);
    assert_int_equal(client.fd, -1);
}

static void a_permit_comes_when_the_one_who_has_it_releases_it_or_dies(void **state)
{
    (void)state;
    struct template_client first = TEMPLATE_CLIENT_NONE, second = TEMPLATE_CLIENT_NONE,
                           third = TEMPLATE_CLIENT_NONE;
    request_run(&first);
    request_run(&second);
    request_run(&third);
    assert_true(gets_permit(&first));
    assert_false(gets_permit(&second));
    template_client_release(&first);
    serve();
    assert_true(gets_permit(&second));
    assert_false(gets_permit(&third));
    template_client_close(&second);
    serve();
    assert_true(gets_permit(&third));
    template_client_close(&first);
    template_client_close(&third);
}

static void a_slot_that_waits_no_more_leaves_its_turn_to_the_next(void **state)
{
    (void)state;
    struct template_client first = TEMPLATE_CLIENT_NONE, second = TEMPLATE_CLIENT_NONE,
                           third = TEMPLATE_CLIENT_NONE;
    request_run(&first);
    request_run(&second);
    request_run(&third);
    template_client_release(&second);
    template_client_release(&first); /* its permit was granted, but it has not looked */
    serve();
    assert_true(gets_permit(&third));
    template_client_close(&third);
}

static void a_job_waits_for_its_turn_as_long_as_the_server_answers(void **state)
{
    (void)state;
    struct template_client first = TEMPLATE_CLIENT_NONE, second = TEMPLATE_CLIENT_NONE,
                           third = TEMPLATE_CLIENT_NONE;
    struct pe_error err;
    request_run(&first);
    request_run(&second);
    request_run(&third);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(wait_for_answer(&second, &err), 0);
        serve();
        assert_false(gets_permit(&second));
    }
    assert_int_equal(wait_for_answer(&second, &err), 0);
    template_client_release(&first);
    serve(); /* the question, and then the grant: it has not lost its turn */
    assert_false(gets_permit(&second));
    assert_true(gets_permit(&second));
    assert_false(gets_permit(&third));
    template_client_close(&first);
    template_client_close(&second);
    template_client_close(&third);
}

static void a_grant_answers_a_question_that_comes_too_late(void **state)
{
    (void)state;
    struct template_client client = TEMPLATE_CLIENT_NONE, next = TEMPLATE_CLIENT_NONE;
    struct pe_error err;
    request_run(&client); /* granted */
    assert_int_equal(wait_for_answer(&client, &err), 0);
    serve();
    assert_true(gets_permit(&client));
    template_client_release(&client);
    request_run(&next);
    assert_true(gets_permit(&next));
    request_run(&client); /* no answer of before is left */
    assert_false(gets_permit(&client));
    template_client_close(&client);
    template_client_close(&next);
}

static void a_job_does_not_wait_for_a_server_that_hangs(void **state)
{
    (void)state;
    struct template_client first = TEMPLATE_CLIENT_NONE, second = TEMPLATE_CLIENT_NONE;
    struct pe_error err;
    request_run(&first);
    request_run(&second);
    assert_int_equal(wait_for_answer(&second, &err), 0);
    assert_int_equal(wait_for_answer(&second, &err), -1);
    assert_error(err, PE_ERR_TIMEOUT, "does not answer");
    assert_int_equal(second.fd, -1);
    template_client_release(&second); /* it ran without one */
    serve();                          /* the question, for which there is no reader any more */
    serve();
    assert_int_equal(admission.count, 1);
    template_client_close(&first);
}

static void a_template_that_is_still_made_holds_up_no_job_and_nobody_behind_it(void **state)
{
    (void)state;
    struct template_client idle = TEMPLATE_CLIENT_NONE, job = TEMPLATE_CLIENT_NONE;
    availability = TEMPLATE_PENDING;
    request_vm(&idle, false);
    request_vm(&job, true);
    assert_false(gets_permit(&idle));
    assert_true(gets_permit(&job));
    template_client_release(&job);
    availability = TEMPLATE_UNAVAILABLE;
    serve();
    assert_true(gets_permit(&idle));
    template_client_close(&idle);
    template_client_close(&job);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_slot_does_not_wait_for_longer_than_it_wants_for_a_server_that_is_silent),
        WITH_SERVER(a_server_that_has_gone_is_noticed_at_once),
        WITH_SERVER(a_permit_comes_when_the_one_who_has_it_releases_it_or_dies),
        WITH_SERVER(a_slot_that_waits_no_more_leaves_its_turn_to_the_next),
        WITH_SERVER(a_job_waits_for_its_turn_as_long_as_the_server_answers),
        WITH_SERVER(a_grant_answers_a_question_that_comes_too_late),
        WITH_SERVER(a_job_does_not_wait_for_a_server_that_hangs),
        WITH_SERVER(a_template_that_is_still_made_holds_up_no_job_and_nobody_behind_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
