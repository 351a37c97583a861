/* SPDX-License-Identifier: Apache-2.0 */
/* What the balancer does with a helper process that is stuck. This program, started again, is the helper:
 * it neither reads nor exits, whatever becomes of its socket. If something waits for it, the alarm ends the
 * test. */
#include "base/io.h"
#include "lb/core/helper.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define STUCK "--stuck"   /* argument: send a message, and keep the socket open */
#define CLOSED "--closed" /* argument: close it */

enum { PATIENCE_S = 60, SHORT_MS = 10 };

/* ---- a loop with one watch and one timer, both of which the tests serve ---- */

struct loop_watch {
    int fd; /* -1: nothing is watched */
    void (*on_readable)(void *data);
    void *data;
};

static struct loop_watch watched = {.fd = -1};
static struct loop_timer *pending;
static int gone;

static struct loop_watch *watch(struct loop *loop, int fd, void (*on_readable)(void *data), void *data)
{
    (void)loop;
    watched = (struct loop_watch){.fd = fd, .on_readable = on_readable, .data = data};
    return &watched;
}

static void unwatch(struct loop_watch *self)
{
    close(self->fd);
    self->fd = -1;
}

static void start_timer(struct loop *loop, struct loop_timer *timer, unsigned delay_ms)
{
    (void)loop;
    (void)delay_ms;
    pending = timer;
}

static void stop_timer(struct loop *loop, struct loop_timer *timer)
{
    (void)loop;
    (void)timer;
    pending = NULL;
}

static const struct loop_ops loop_ops = {
    .start_timer = start_timer, .stop_timer = stop_timer, .watch = watch, .unwatch = unwatch};
static struct loop loop = {.ops = &loop_ops};

/* Serve the watch once, when there is something to read. */
static void turn_loop(void)
{
    struct pollfd ready = {.fd = watched.fd, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, PATIENCE_S * 1000), 1);
    watched.on_readable(watched.data);
}

/* Let the timer expire, again and again, until a helper runs. */
static void wait_for_restart(const struct helper *helper)
{
    while (!helper->watch) {
        struct loop_timer *timer = pending;
        assert_non_null(timer);
        pending = NULL;
        timer->on_expire(timer);
        poll(NULL, 0, 1);
    }
}

/* ---- the owner: no message is one that it can use ---- */

static int refuse_bytes(struct helper *helper)
{
    return helper->in.size ? -1 : 0;
}

static void on_gone(struct helper *helper)
{
    (void)helper;
    gone++;
}

static const struct helper_ops helper_ops = {
    .on_bytes = refuse_bytes, .on_gone = on_gone, .lost = "it is lost"};

/* Start a helper that is stuck in the way that `how` says. */
static void start(struct helper *helper, const char *const arguments[])
{
    struct pe_error err;
    gone = 0;
    helper_init(helper, &loop, &helper_ops, arguments);
    assert_int_equal(helper_start(helper, &err), 0);
}

/* The process was killed, and nobody has to wait for it any more. */
static void assert_ended(pid_t pid)
{
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, ESRCH);
}

static int begin(void **state)
{
    (void)state;
    alarm(PATIENCE_S);
    return 0;
}

/* ---- tests ---- */

static void a_stuck_helper_is_killed_after_a_message_that_is_none(void **state)
{
    (void)state;
    struct helper helper;
    start(&helper, (const char *const[]){"helper", STUCK, NULL});
    const pid_t pid = helper.pid;
    turn_loop();
    assert_null(helper.watch);
    assert_int_equal(gone, 1);
    wait_for_restart(&helper);
    assert_int_not_equal(helper.pid, pid);
    assert_ended(pid);
    helper_close(&helper, SHORT_MS);
}

static void a_helper_that_closes_its_socket_and_stays_is_killed(void **state)
{
    (void)state;
    struct helper helper;
    start(&helper, (const char *const[]){"helper", CLOSED, NULL});
    const pid_t pid = helper.pid;
    turn_loop();
    assert_null(helper.watch);
    wait_for_restart(&helper);
    assert_ended(pid);
    helper_close(&helper, SHORT_MS);
}

static void no_helper_is_started_beside_one_that_has_not_ended(void **state)
{
    (void)state;
    struct helper helper;
    start(&helper, (const char *const[]){"helper", STUCK, NULL});
    turn_loop();
    waitpid(helper.pid, NULL, 0);
    helper.pid = fork(); /* stands for it while the kernel waits for a disk */
    if (helper.pid == 0)
        for (;;)
            pause();
    struct loop_timer *timer = pending;
    pending = NULL;
    timer->on_expire(timer);
    assert_null(helper.watch);
    assert_ptr_equal(pending, timer);
    kill(helper.pid, SIGKILL);
    wait_for_restart(&helper);
    helper_close(&helper, SHORT_MS);
}

static void a_stuck_helper_is_killed_at_the_end(void **state)
{
    (void)state;
    const char *const how[] = {STUCK, CLOSED};
    for (size_t i = 0; i < sizeof how / sizeof how[0]; i++) {
        struct helper helper;
        start(&helper, (const char *const[]){"helper", how[i], NULL});
        const pid_t pid = helper.pid;
        helper_close(&helper, SHORT_MS);
        assert_ended(pid);
        assert_int_equal(gone, 1);
    }
}

static void be_stuck(const char *how) __attribute__((noreturn));
static void be_stuck(const char *how)
{
    const int fd = atoi(HELPER_FD);
    if (!strcmp(how, CLOSED))
        close(fd);
    else if (write(fd, "x", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

int main(int argc, char *argv[])
{
    if (argc > 1)
        be_stuck(argv[1]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_stuck_helper_is_killed_after_a_message_that_is_none, begin),
        cmocka_unit_test_setup(a_helper_that_closes_its_socket_and_stays_is_killed, begin),
        cmocka_unit_test_setup(no_helper_is_started_beside_one_that_has_not_ended, begin),
        cmocka_unit_test_setup(a_stuck_helper_is_killed_at_the_end, begin),
    };
    return cmocka_run_group_tests_name("helper", tests, NULL, NULL);
}
