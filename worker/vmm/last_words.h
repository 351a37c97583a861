/* SPDX-License-Identifier: Apache-2.0 */
/* Finding out from what a VMM printed why it ended. */
#ifndef PE_WORKER_VMM_LAST_WORDS_H
#define PE_WORKER_VMM_LAST_WORDS_H

#include <stddef.h>

/* Write to `text`, a buffer of `size` bytes, the reason that a VMM gave at the end of its output, which is
 * `log`, `length` bytes long and may be anything. Control characters become '?'.
 *
 * This is the last line with a message, without the blanks around it. Messages that end nothing are skipped:
 * those that QEMU calls `warning` or `info`, and those that cloud-hypervisor calls `WARN`, `INFO`, `DEBUG` or
 * `TRACE`. If the last lines are a chain of causes, as cloud-hypervisor prints it ("  0: Error booting VM",
 * "  1: The VM could not boot"), they are joined by ": ". `text` becomes "" if there is no such line. */
void vmm_last_words(const char *log, size_t length, char *text, size_t size);

#endif
