/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a job, with a fake event loop and fake slots (fake_core.h): lb/core without libh2o and
 * without sockets. */
#include "tests/unit/fake_core.h"

static void a_job_starts_at_the_end_of_the_iteration_and_reports_its_result(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    assert_int_equal(slot->started, 0);
    assert_int_equal(expire(&core->loop, 0), 1); /* once for the slot and the job */
    assert_int_equal(slot->started, 1);
    assert_int_equal(waiter.starts, 1);
    finish(core, slot);
    assert_int_equal(waiter.results, 1);
    assert_int_equal(waiter.progresses, 1);
    assert_null(waiter.waiter.job);
    assert_int_equal(slot->canceled, 0);
    assert_int_equal(core->budget.used, 0);
}

/* The request of the first job may have ended, while others that joined the job still wait. */
static void two_live_jobs_have_different_ids_though_both_requests_have_the_same(void **state)
{
    struct core *core = *state;
    struct fake_waiter waiters[2];
    register_worker(core, 0);
    for (int i = 0; i < 2; i++) {
        add_ready_slot(core, &core->slots[i], 0);
        assert_int_equal(begin(core, &waiters[i], false), 0);
    }
    expire(&core->loop, 0);
    assert_string_not_equal(core->slots[0].job->id, core->slots[1].job->id);
    for (int i = 0; i < 2; i++)
        finish(core, &core->slots[i]);
    assert_null(core->jobs.ids);
}

static void a_job_that_lost_its_slot_is_given_to_another_one(void **state)
{
    struct core *core = *state;
    struct fake_slot *first = &core->slots[0], *second = &core->slots[1];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, first, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    expire(&core->loop, 0);
    lose(core, first);
    assert_int_equal(waiter.losses, 1);
    add_ready_slot(core, second, 0);
    expire(&core->loop, 0);
    assert_int_equal(second->started, 0); /* other slots may be lost for the same reason */
    assert_int_equal(expire(&core->loop, RETRY_MS), 1);
    expire(&core->loop, 0);
    assert_int_equal(second->started, 1);
    assert_int_equal(core->metrics.retried, 1);
    finish(core, second);
    assert_int_equal(waiter.results, 1);
}

static struct fake_slot *slot_with_job(struct core *core)
{
    for (int i = 0; i < 3; i++)
        if (core->slots[i].job)
            return &core->slots[i];
    fail_msg("no slot has the job");
    return NULL;
}

static bool is_held_back(struct core *core, const struct fake_waiter *waiter)
{
    struct job_key poisoned;
    struct pe_error err;
    const struct catalog_entry *entry = scheduler_find_image(&core->scheduler, image, anything);
    assert_int_equal(job_key_make(&waiter->submission, entry->identity, &poisoned, &err), 0);
    return poison_holds(&core->poison, &poisoned, 0);
}

/* Three slots die with a job; `workers` says to which worker each belongs. */
static void lose_three(struct core *core, struct fake_waiter *waiter, const int workers[3])
{
    for (int i = 0; i < 3; i++)
        add_ready_slot(core, &core->slots[i], workers[i]);
    assert_int_equal(begin(core, waiter, false), 0);
    expire(&core->loop, 0);
    for (int i = 0; i < 3; i++) {
        lose(core, slot_with_job(core));
        retry(core);
    }
    assert_int_equal(waiter->results, 1);
    assert_int_equal(waiter->status, PE_STATUS_VM_ERROR);
    assert_null(waiter->waiter.job);
}

static void a_job_that_killed_three_slots_of_the_only_worker_is_poison(void **state)
{
    struct core *core = *state;
    struct fake_waiter waiter;
    register_worker(core, 0);
    lose_three(core, &waiter, (const int[]){0, 0, 0});
    assert_true(is_held_back(core, &waiter));
    assert_int_equal(core->metrics.poisoned, 1);
}

static void a_job_that_killed_slots_of_two_workers_is_poison(void **state)
{
    struct core *core = *state;
    struct fake_waiter waiter;
    register_worker(core, 0);
    register_worker(core, 1);
    lose_three(core, &waiter, (const int[]){0, 0, 1});
    assert_true(is_held_back(core, &waiter));
}

static void one_bad_worker_does_not_make_a_job_poison(void **state)
{
    struct core *core = *state;
    struct fake_waiter waiter;
    register_worker(core, 0);
    register_worker(core, 1); /* has no slot until the last try was lost */
    for (int i = 0; i < 3; i++)
        add_ready_slot(core, &core->slots[i], 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    expire(&core->loop, 0);
    for (int i = 0; i < 3; i++) {
        lose(core, slot_with_job(core));
        if (i == 2)
            add_ready_slot(core, &core->slots[0], 1);
        retry(core);
    }
    assert_int_equal(waiter.status, PE_STATUS_VM_ERROR);
    assert_false(is_held_back(core, &waiter));
}

static void a_job_avoids_the_worker_that_lost_it_while_another_one_could_run_it(void **state)
{
    struct core *core = *state;
    struct fake_slot *bad = &core->slots[0], *spare = &core->slots[1], *good = &core->slots[2];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, bad, 0);
    add_ready_slot(core, spare, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    expire(&core->loop, 0);
    struct fake_slot *first = bad->job ? bad : spare;
    register_worker(core, 1);
    add_ready_slot(core, good, 1);
    scheduler_slot_ready(&core->scheduler, &good->slot, "worker-1", "");
    lose_vm(core, first);
    retry(core);
    assert_int_equal(good->started, 1);
    finish(core, good);
    assert_int_equal(waiter.results, 1);
    assert_int_equal(waiter.status, PE_STATUS_EXITED);
}

static void a_job_that_loses_three_vms_gets_vm_error_and_is_not_held_back(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    expire(&core->loop, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(slot->started, i + 1);
        assert_int_equal(waiter.results, 0);
        lose_vm(core, slot);
        retry(core);
    }
    assert_int_equal(waiter.losses, 3);
    assert_int_equal(waiter.status, PE_STATUS_VM_ERROR);
    assert_false(is_held_back(core, &waiter));
    assert_int_equal(core->metrics.retried, 2);
}

static void a_job_is_given_up_when_three_workers_have_gone_with_it(void **state)
{
    struct core *core = *state;
    struct fake_slot *slots = core->slots;
    struct fake_waiter waiter;
    init_waiter(&waiter);
    for (int i = 0; i < 3; i++) {
        register_worker(core, i);
        add_ready_slot(core, &slots[i], i);
        if (i == 0)
            assert_int_equal(begin(core, &waiter, false), 0);
        expire(&core->loop, 0);
        assert_int_equal(slots[i].started, 1);
        lose(core, &slots[i]);
        scheduler_worker_gone(&core->scheduler, &registrations[i]);
        assert_int_equal(expire(&core->loop, RETRY_MS), 1);
    }
    assert_int_equal(waiter.given_up_after, 3);
    assert_int_equal(waiter.results, 0);
    assert_int_equal(core->metrics.poisoned, 0);
}

static void a_job_that_is_given_back_goes_to_the_next_slot_and_has_lost_no_try(void **state)
{
    struct core *core = *state;
    struct fake_slot *first = &core->slots[0], *second = &core->slots[1];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, first, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    expire(&core->loop, 0);
    struct job *job = first->job;
    for (int i = 0; i < 5; i++) {
        give_back(core, first);
        assert_int_equal(waiter.returns, 1 + i);
        assert_int_equal(core->scheduler.queued_count, 1);
        scheduler_slot_ready(&core->scheduler, &first->slot, "worker-0", "");
        expire(&core->loop, 0);
        assert_ptr_equal(first->job, job);
    }
    give_back(core, first);
    assert_int_equal(job->lost, 0);
    add_ready_slot(core, second, 0);
    expire(&core->loop, 0);
    finish(core, second);
    assert_int_equal(waiter.results, 1);
    assert_int_equal(waiter.losses, 0);
    assert_int_equal(core->metrics.returned, 6);
}

static void a_worker_that_gives_a_job_back_for_ever_does_not_keep_it(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &waiter, false), 0);
    for (int i = 0; i < 1000 && !waiter.results; i++) {
        expire(&core->loop, 0);
        expire(&core->loop, RETRY_MS);
        if (!slot->job)
            continue;
        give_back(core, slot);
        scheduler_slot_ready(&core->scheduler, &slot->slot, "worker-0", "");
    }
    assert_int_equal(waiter.status, PE_STATUS_VM_ERROR);
    assert_false(is_held_back(core, &waiter));
}

static void a_waiter_may_leave_when_its_job_is_given_back(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, second;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &first, true), 0);
    struct job *job = job_find(&core->jobs, &key, anything);
    init_waiter(&second);
    join(job, &second);
    expire(&core->loop, 0);
    first.leaves = &second; /* the next one of the walk */
    give_back(core, slot);
    assert_int_equal(first.returns, 1);
    assert_int_equal(second.returns, 0);
    assert_int_equal(core->scheduler.queued_count, 1);
    scheduler_slot_ready(&core->scheduler, &slot->slot, "worker-0", "");
    expire(&core->loop, 0);
    first.leaves = &first; /* the last one */
    give_back(core, slot);
    assert_int_equal(core->scheduler.queued_count, 0);
    assert_null(job_find(&core->jobs, &key, anything));
}

static void requests_share_a_job_and_the_last_one_that_leaves_cancels_it(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, second;
    register_worker(core, 0);
    assert_int_equal(begin(core, &first, true), 0);
    struct job *job = job_find(&core->jobs, &key, anything);
    assert_non_null(job);
    init_waiter(&second);
    join(job, &second);
    job_leave(&first.waiter); /* the job goes on with the submission of the other */
    assert_ptr_equal(job->source, &second.waiter);
    assert_int_equal(core->scheduler.queued_count, 1);
    add_ready_slot(core, slot, 0);
    expire(&core->loop, 0);
    assert_int_equal(slot->started, 1);
    assert_int_equal(second.starts, 1);
    job_leave(&second.waiter);
    assert_int_equal(slot->canceled, 1);
}

static void a_waiter_that_joins_late_gets_the_result_at_once(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, late;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &first, true), 0);
    expire(&core->loop, 0);
    struct job *job = slot->job;
    send_result(job);
    init_waiter(&late);
    join(job_find(&core->jobs, &key, anything), &late);
    assert_int_equal(late.results, 1);
    struct pe_error err;
    assert_int_equal(job_on_bytes(job, "ok", 2, &err), 0);
    slot->job = NULL;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    job_on_end(job);
    assert_null(first.waiter.job);
    assert_null(late.waiter.job);
}

/* The store was asked before the deletion, and may still answer with what it had. */
static void nobody_joins_a_lookup_that_began_before_its_result_was_deleted(void **state)
{
    enum { LOOKUP_MS = 400 };
    struct core *core = *state;
    struct helper *helper = &core->store.helper;
    struct fake_waiter waiter;
    helper->watch = (struct loop_watch *)core; /* a helper that reads nothing */
    helper->sending.size = 1;
    assert_int_equal(begin(core, &waiter, true), 0);
    assert_non_null(job_find(&core->jobs, &key, anything));
    assert_true(job_forget_result(&core->jobs, &key));
    assert_null(job_find(&core->jobs, &key, anything));
    assert_int_equal(expire(&core->loop, LOOKUP_MS), 1); /* its waiter goes on, and needs a slot */
    assert_int_equal(core->scheduler.queued_count, 1);
    job_leave(&waiter.waiter);
    pe_buf_free(&helper->out);
}

static void a_waiter_that_joins_a_running_job_is_told_that_it_runs(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, late;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &first, true), 0);
    expire(&core->loop, 0);
    init_waiter(&late);
    join(job_find(&core->jobs, &key, anything), &late);
    assert_int_equal(late.starts, 1);
    finish(core, slot);
    assert_int_equal(late.results, 1);
}

static void requests_that_join_a_job_count_in_the_bounds_of_the_queue(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, second, third;
    struct pe_error err;
    core->scheduler.limits.jobs = 1;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &first, true), 0);
    expire(&core->loop, 0); /* it runs: the queue is empty */
    struct job *job = job_find(&core->jobs, &key, anything);
    init_waiter(&second);
    join(job, &second);
    init_waiter(&third);
    assert_int_equal(job_join(job, &third.waiter, &err), -1);
    assert_error(err, PE_ERR_BUSY, "1 jobs are waiting");
    assert_null(third.waiter.job);
    job_leave(&first.waiter); /* the job goes on with the memory of the second, which counts no more */
    assert_int_equal(core->scheduler.joined_count, 0);
    core->scheduler.limits.bytes = 0;
    assert_int_equal(job_join(job, &third.waiter, &err), -1);
    core->scheduler.limits.bytes = 1;
    join(job, &third);
    job_leave(&third.waiter);
    assert_int_equal(core->scheduler.joined_bytes, 0);
    finish(core, slot);
}

static void only_requests_with_the_same_demand_for_isolation_share_a_job(void **state)
{
    struct core *core = *state;
    const struct pe_isolation_set kernel = pe_isolation_set_of(PE_ISOLATION_KERNEL);
    struct fake_waiter any, demanding;
    register_worker(core, 0);
    add_ready_slot(core, &core->slots[0], 0);
    assert_int_equal(begin(core, &any, true), 0);
    assert_null(job_find(&core->jobs, &key, kernel));
    assert_int_equal(begin_demanding(core, &demanding, true, kernel), 0);
    assert_ptr_equal(job_find(&core->jobs, &key, anything), any.waiter.job);
    assert_ptr_equal(job_find(&core->jobs, &key, kernel), demanding.waiter.job);
    assert_ptr_not_equal(any.waiter.job, demanding.waiter.job);
    job_leave(&any.waiter);
    job_leave(&demanding.waiter);
}

static void a_result_with_another_isolation_than_demanded_is_refused(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiter;
    struct pe_error err;
    pe_automessage struct pe_message message = {
        .kind = PE_MESSAGE_RESULT,
        .result = {.status = PE_STATUS_EXITED, .isolation = PE_ISOLATION_EMULATION}};
    register_worker(core, 0); /* says that it isolates with a kernel */
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin_demanding(core, &waiter, false, pe_isolation_set_of(PE_ISOLATION_KERNEL)), 0);
    expire(&core->loop, 0);
    assert_int_equal(job_on_result(slot->job, &message, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "another isolation");
    assert_int_equal(waiter.results, 0);
    job_leave(&waiter.waiter);
}

/* `leaver` says, for each of three waiters, which one leaves when it is told of the result; -1:
 * none. */
static void check_leaving(struct core *core, const int leaver[3], const int results[3])
{
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiters[3];
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &waiters[0], true), 0);
    for (int i = 1; i < 3; i++) {
        init_waiter(&waiters[i]);
        join(job_find(&core->jobs, &key, anything), &waiters[i]);
    }
    for (int i = 0; i < 3; i++)
        waiters[i].leaves = leaver[i] < 0 ? NULL : &waiters[leaver[i]];
    expire(&core->loop, 0);
    struct job *job = slot->job;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    send_result(job); /* frees the job if all have left */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(waiters[i].results, results[i]);
        waiters[i].leaves = NULL;
        job_leave(&waiters[i].waiter);
    }
    scheduler_slot_remove(&core->scheduler, &slot->slot);
    assert_int_equal(core->budget.used, 0);
}

static void waiters_may_leave_inside_a_callback(void **state)
{
    struct core *core = *state;
    register_worker(core, 0);
    check_leaving(core, (const int[]){0, 1, 2}, (const int[]){1, 1, 1});    /* each leaves */
    check_leaving(core, (const int[]){1, -1, -1}, (const int[]){1, 0, 1});  /* the next one leaves */
    check_leaving(core, (const int[]){2, 1, -1}, (const int[]){1, 1, 0});   /* a later one, and itself */
    check_leaving(core, (const int[]){-1, 0, 2}, (const int[]){1, 1, 1});   /* an earlier one, and itself */
    check_leaving(core, (const int[]){-1, -1, -1}, (const int[]){1, 1, 1}); /* none */
}

static void a_refused_job_reports_the_problem_to_all(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter first, second;
    const struct pe_problem problem = {.status = 422};
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &first, true), 0);
    init_waiter(&second);
    join(job_find(&core->jobs, &key, anything), &second);
    expire(&core->loop, 0);
    struct job *job = slot->job;
    scheduler_entry_remove(&core->scheduler, &job->entry);
    job_on_problem(job, &problem);
    assert_int_equal(first.problems, 1);
    assert_int_equal(second.problems, 1);
}

static void jobs_with_a_ready_slot_do_not_fill_the_queue(void **state)
{
    struct core *core = *state;
    struct fake_slot *slot = &core->slots[0];
    struct fake_waiter waiters[3];
    core->scheduler.limits.jobs = 1;
    register_worker(core, 0);
    add_ready_slot(core, slot, 0);
    assert_int_equal(begin(core, &waiters[0], false), 0); /* for the slot */
    assert_int_equal(begin(core, &waiters[1], false), 0); /* the one job that may wait */
    assert_int_equal(slot->started, 1);
    assert_int_equal(begin(core, &waiters[2], false), -1);
    assert_null(waiters[2].waiter.job);
    finish(core, slot);
    job_leave(&waiters[1].waiter);
    expire(&core->loop, 0);
}

static void ready_slots_are_dismissed_while_draining_except_one(void **state)
{
    struct core *core = *state;
    struct fake_slot *slots = core->slots;
    register_worker(core, 0);
    for (int i = 0; i < 3; i++)
        add_ready_slot(core, &slots[i], 0);
    dispatch_drain(&core->dispatch);
    expire(&core->loop, 0);
    assert_int_equal(slots[0].dismissed + slots[1].dismissed + slots[2].dismissed, 2);
}

/* The connection of such a slot still closes, and what is sent on it does not arrive. */
static void a_slot_that_was_dismissed_gets_no_job(void **state)
{
    struct core *core = *state;
    struct fake_slot *slots = core->slots;
    struct fake_waiter waiters[2];
    register_worker(core, 0);
    for (int i = 0; i < 3; i++)
        add_ready_slot(core, &slots[i], 0);
    dispatch_drain(&core->dispatch);
    expire(&core->loop, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(begin(core, &waiters[i], false), 0);
    expire(&core->loop, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(slots[i].started + slots[i].dismissed, 1);
    assert_int_equal(core->scheduler.queued_count, 1);
    for (int i = 0; i < 2; i++)
        job_leave(&waiters[i].waiter);
}

#define WITH_CORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_CORE(a_job_starts_at_the_end_of_the_iteration_and_reports_its_result),
        WITH_CORE(two_live_jobs_have_different_ids_though_both_requests_have_the_same),
        WITH_CORE(a_job_that_lost_its_slot_is_given_to_another_one),
        WITH_CORE(a_job_that_killed_three_slots_of_the_only_worker_is_poison),
        WITH_CORE(a_job_that_killed_slots_of_two_workers_is_poison),
        WITH_CORE(one_bad_worker_does_not_make_a_job_poison),
        WITH_CORE(a_job_avoids_the_worker_that_lost_it_while_another_one_could_run_it),
        WITH_CORE(a_job_that_loses_three_vms_gets_vm_error_and_is_not_held_back),
        WITH_CORE(a_job_is_given_up_when_three_workers_have_gone_with_it),
        WITH_CORE(a_job_that_is_given_back_goes_to_the_next_slot_and_has_lost_no_try),
        WITH_CORE(a_worker_that_gives_a_job_back_for_ever_does_not_keep_it),
        WITH_CORE(a_waiter_may_leave_when_its_job_is_given_back),
        WITH_CORE(requests_share_a_job_and_the_last_one_that_leaves_cancels_it),
        WITH_CORE(a_waiter_that_joins_late_gets_the_result_at_once),
        WITH_CORE(nobody_joins_a_lookup_that_began_before_its_result_was_deleted),
        WITH_CORE(a_waiter_that_joins_a_running_job_is_told_that_it_runs),
        WITH_CORE(requests_that_join_a_job_count_in_the_bounds_of_the_queue),
        WITH_CORE(only_requests_with_the_same_demand_for_isolation_share_a_job),
        WITH_CORE(a_result_with_another_isolation_than_demanded_is_refused),
        WITH_CORE(waiters_may_leave_inside_a_callback),
        WITH_CORE(a_refused_job_reports_the_problem_to_all),
        WITH_CORE(jobs_with_a_ready_slot_do_not_fill_the_queue),
        WITH_CORE(ready_slots_are_dismissed_while_draining_except_one),
        WITH_CORE(a_slot_that_was_dismissed_gets_no_job),
    };
    return cmocka_run_group_tests_name("job", tests, NULL, NULL);
}
