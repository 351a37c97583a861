/* SPDX-License-Identifier: Apache-2.0 */
/* Which step comes next, and how a run begins and ends. */
#include "tests/model/run.h"

#include "tests/model/at_rest.h"
#include "tests/model/balancer.h"
#include "tests/model/book.h"
#include "tests/model/chats.h"
#include "tests/model/choices.h"
#include "tests/model/clients.h"
#include "tests/model/clock.h"
#include "tests/model/deletions.h"
#include "tests/model/hosts.h"
#include "tests/model/keeper.h"
#include "tests/model/known.h"
#include "tests/model/order.h"
#include "tests/model/questions.h"

#include <time.h>

struct options options;
uint64_t steps_done;
bool is_tracing;

void report_fault(const char *file, int line, const char *condition)
{
    fprintf(stderr, "\n%s:%d: in step %llu, at %.3f s: does not hold: %s\n", file, line,
            (unsigned long long)steps_done, (double)clock_us / 1e6, condition);
}

void print_time(void)
{
    fprintf(stderr, "%6llu %10.3f ", (unsigned long long)steps_done, (double)clock_us / 1e6 - 1e6);
}

const char *name_of_host(unsigned name)
{
    static const char *const names[NAMES] = {"worker-0", "worker-1", "worker-2"};
    return names[name];
}

const char *name_of_image(unsigned image)
{
    static const char *const names[IMAGES] = {"image-0:1", "image-1:1", "image-2:1"};
    return names[image];
}

const char *digest_of(unsigned image, unsigned variant)
{
    static char text[80];
    snprintf(text, sizeof text, "sha256:%064x", 16 * image + (variant == 3 ? 3 : 1));
    return text;
}

/* ---- begin ---- */

static void choose_options(void)
{
    static const uint64_t cache_sizes[] = {4u << 20, 1u << 20, 60u << 10, 0};
    static const uint64_t result_sizes[] = {64u << 20, 8u << 20, 600u << 10, 4096};
    options = (struct options){.queue_jobs = chance(70) ? 2 + choose(12) : 1000,
                               .queue_bytes = chance(70) ? 1u << 20 : 160000,
                               .queue_wait_us = chance(50) ? 30000000 : 500000,
                               .gather_us = chance(40) ? 2000000 : 0,
                               .away_us = chance(75) ? 10000000 : 0,
                               .poison_us = 60000000,
                               .cache_bytes = cache_sizes[choose(4)],
                               .results_bytes = result_sizes[choose(4)],
                               .client_jobs = chance(30) ? 4 : 0,
                               .client_rate = chance(20) ? 60 : 0,
                               .client_burst = 5,
                               .has_store = chance(40),
                               .audits = chance(40),
                               .rush = chance(30) ? 60 : 15,
                               .slots = SLOTS,
                               .sessions = chance(60) ? 15 : 0,
                               .cases = chance(40) ? 20 : 0,
                               .dialects = chance(50) ? 25 : 0,
                               .http2 = chance(30) ? 90 : 30,
                               .session_jobs = chance(50) ? 100 : 0,
                               .idle_us = chance(30) ? 3000000 : 300000000,
                               .watchers = chance(70) ? 40 : 0,
                               .slot_deaths = chance(20) ? 25 : 4,
                               .vm_deaths = chance(20) ? 40 : 5};
}

/* So few slots, and so many jobs, that a queue is always long. */
static void choose_busy_options(void)
{
    options.is_busy = true;
    options.queue_jobs = 1000;
    options.queue_bytes = 64u << 20;
    options.queue_wait_us = 30000000;
    options.client_jobs = options.client_rate = 0;
    options.slot_deaths = options.vm_deaths = 0;
    options.slots = 1 + choose(2);
}

/* Output comes in many pieces, and there is time for them. */
static void choose_chatty_options(void)
{
    options.is_chatty = true;
    options.sessions = 40;
    options.watchers = 80;
    options.queue_wait_us = 30000000;
}

/* Judges send solutions, and want to see each verdict at once. */
static void choose_judging_options(void)
{
    options.is_chatty = options.is_calm = options.is_patient = true;
    options.cases = 90;
    options.watchers = 70;
    options.sessions = 0;
    options.queue_wait_us = 30000000;
    options.slot_deaths = 2;
    options.vm_deaths = chance(50) ? 15 : 2;
}

/* People type into programs that live for long. */
static void choose_interactive_options(void)
{
    options.is_calm = true;
    options.sessions = 70;
    options.session_jobs = 100;
    options.queue_jobs = 1000;
    options.queue_bytes = 64u << 20;
    options.queue_wait_us = 30000000;
    options.client_jobs = options.client_rate = 0;
    options.slot_deaths = options.vm_deaths = 1;
}

/* So few jobs that there is time for audits. */
static void choose_calm_options(void)
{
    options.is_calm = options.audits = true;
    options.queue_wait_us = 30000000;
    options.slot_deaths = options.vm_deaths = 1;
    options.cache_bytes = 4u << 20;
}

static void send_before_workers_come(void)
{
    for (unsigned i = 2 + choose(6); i > 0; i--) {
        client_send();
        balancer_settle();
    }
}

static void begin(void)
{
    clock_reset();
    choose_options();
    if (chance(12))
        choose_busy_options();
    else if (chance(15))
        choose_calm_options();
    else if (chance(15))
        choose_interactive_options();
    if (chance(25))
        choose_chatty_options();
    else if (chance(20))
        choose_judging_options();
    known_reset();
    book_reset();
    losses_reset();
    order_reset();
    keeper_reset();
    hosts_reset();
    clients_reset();
    balancer_start();
    const bool workers_are_late = options.gather_us && chance(50);
    if (workers_are_late)
        send_before_workers_come();
    if (!chance(workers_are_late ? 50 : 85))
        return;
    for (unsigned i = 0; i < 4; i++) {
        registration_act();
        book_sync();
    }
}

/* ---- steps ---- */

static void pass_time(void)
{
    static const uint64_t amounts_us[] = {500, 1000, 20000, 100000, 100000, 200000, 500000, 1000000, 5000000};
    unsigned choice = choose(9);
    balancer_advance(options.is_busy && choice > 4 ? 50000 : chance(3) ? 40000000 : amounts_us[choice]);
}

static void lose_patience(void)
{
    if (!options.is_patient || chance(25))
        client_hang_up();
}

/* Something that is answered at once. */
static void ask_something(void)
{
    unsigned what = choose(4);
    if (what < 2)
        client_ask();
    else if (what < 3)
        client_delete();
    else
        client_chat();
}

static void step(void)
{
    unsigned what = choose(100);
    if (options.sessions && chance(20))
        client_type();
    else if (what < (options.is_calm ? 4 : 20))
        client_send();
    else if (what < 34)
        client_read();
    else if (what < 37)
        ask_something();
    else if (what < (options.rush > 50 ? 42 : 39))
        lose_patience();
    else if (what < 44)
        registration_act();
    else if (what < 45)
        operator_act();
    else if (what < 80)
        slot_act();
    else if (what < 84)
        keeper_act();
    else
        pass_time();
    book_sync();
    if (chance(options.rush)) /* the next event comes in the same iteration of the loop */
        return;
    balancer_settle();
}

/* ---- end ---- */

/* Nobody comes any more: everybody who waits is answered in time. */
static void end_slowly(void)
{
    hosts_end_all();
    for (int i = 0; i < 30 && requests[0]; i++) {
        balancer_advance(4000000);
        for (int n = 0; n < 20; n++) {
            clients_read_all();
            balancer_settle();
        }
    }
}

static void end_at_once(void)
{
    clients_hang_up_all();
    balancer_settle();
    hosts_end_all();
}

static void end(void)
{
    balancer_settle();
    if (chance(20))
        balancer_drain();
    balancer_settle();
    if (chance(50))
        end_slowly();
    else
        end_at_once();
    balancer_advance(200000000);
    at_rest_check_end();
    balancer_stop();
    book_free();
    keeper_free();
    hosts_reset();
}

void run_steps(uint64_t steps)
{
    uint64_t draining_at = chance(20) ? 200 + choose(200) : UINT64_MAX;
    steps_done = 0;
    begin();
    while (steps_done < steps && !choices_over()) {
        steps_done++;
        if (steps_done == draining_at)
            balancer_drain();
        step();
    }
    end();
}
