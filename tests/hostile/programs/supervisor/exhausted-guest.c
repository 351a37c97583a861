/* SPDX-License-Identifier: Apache-2.0 */
/* Use all processes, all open files and nearly all memory at once, and then end normally: the end has to be
 * reported, and the output delivered.
 *
 * job: {"process_limit": 100}
 * result: exited 0
 * stdout: the program ends
 * files: 1
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    close(open("/output/file", O_CREAT | O_WRONLY, 0600));
    for (int i = 0; i < 600; i++) {
        pid_t child = fork();
        if (child < 0)
            break;
        if (child == 0)
            for (;;)
                pause();
    }
    use_memory(150 * MIB);
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    say("the program ends");
    return 0;
}
