/* SPDX-License-Identifier: Apache-2.0 */
/* Queues full of messages that nobody reads.
 *
 * result: oom or exited 0
 * stdout has: start
 */
#include "tests/hostile/attempt.h"

#include <sys/msg.h>

int main(void)
{
    static struct {
        long type;
        char text[8000];
    } message = {.type = 1};
    say("start");
    for (;;) {
        int queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
        if (queue < 0)
            break;
        while (msgsnd(queue, &message, sizeof message.text, IPC_NOWAIT) == 0)
            ;
    }
    say("limited");
    return 0;
}
