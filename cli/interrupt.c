/* SPDX-License-Identifier: Apache-2.0 */
/* One variable, set by the signal handler. */
#include "cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

static volatile sig_atomic_t caught;

static void on_signal(int number)
{
    caught = number;
}

void interrupt_catch(void)
{
    /* Without SA_RESTART, blocking calls return when a signal is caught. */
    const struct sigaction remember = {.sa_handler = on_signal};
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &remember, NULL);
    sigaction(SIGTERM, &remember, NULL);
    sigaction(SIGHUP, &remember, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
}

void interrupt_raise(int number)
{
    caught = number;
}

int interrupt_signal(void)
{
    return caught;
}

int interrupt_check(struct pe_error *err)
{
    return caught ? pe_fail(err, PE_ERR_CANCELED, "interrupted by a signal: %s", strsignal(caught)) : 0;
}

void interrupt_sleep_ms(unsigned ms)
{
    if (!caught)
        poll(NULL, 0, (int)ms);
}
