/* SPDX-License-Identifier: Apache-2.0 */
/* The right answer is found by its number. */
#include "guest-init/shim_answer.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool shim_answer_receive(int channel, uint64_t request, int timeout_ms, struct shim_answer *answer)
{
    const int64_t end_ms = now_ms() + timeout_ms;
    struct pollfd wait = {.fd = channel, .events = POLLIN};
    for (int64_t left_ms = timeout_ms; left_ms >= 0; left_ms = end_ms - now_ms()) {
        int ready = poll(&wait, 1, (int)left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready != 1 || recv(channel, answer, sizeof *answer, 0) != (ssize_t)sizeof *answer)
            return false;
        if (answer->request == request)
            return !answer->failed;
    }
    return false;
}
