/* SPDX-License-Identifier: Apache-2.0 */
/* The handler of SIGTERM and SIGINT in the worker's child processes. The supervisor takes its
 * signals with sigtimedwait(2) instead (worker/supervisor.c). */
#include "worker/stop_signal.h"

#include <poll.h>
#include <stddef.h>
#include <time.h>

volatile sig_atomic_t stop_requested;

static void on_stop(int signal)
{
    (void)signal;
    stop_requested = 1;
}

void stop_signal_catch(void)
{
    const struct sigaction action = {.sa_handler = on_stop};
    sigset_t stops;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void stop_signal_sleep(unsigned ms)
{
    const struct timespec timeout = {ms / 1000, (long)(ms % 1000) * 1000000};
    sigset_t none;
    sigemptyset(&none);
    ppoll(NULL, 0, &timeout, &none);
}
