/* SPDX-License-Identifier: Apache-2.0 */
/* SIGTERM and SIGINT as a request to stop. A process of the worker blocks both signals and unblocks
 * them only while it waits, so that a request is never missed and never interrupts other work. */
#ifndef PE_WORKER_STOP_SIGNAL_H
#define PE_WORKER_STOP_SIGNAL_H

#include <signal.h>

/* Set to 1 by the signal handler: the process shall end as soon as it is idle. */
extern volatile sig_atomic_t stop_requested;

/* From now on SIGTERM and SIGINT set stop_requested; both are blocked, and SIGPIPE is ignored. Wait
 * with ppoll(2) and an empty signal mask to let them in. Call it at the start of a process. */
void stop_signal_catch(void);

/* SIGTERM and SIGINT end the process again, and one that waits does so at once. */
void stop_signal_release(void);

/* Sleep for `ms` milliseconds, or until a stop is requested. */
void stop_signal_sleep(unsigned ms);

#endif
