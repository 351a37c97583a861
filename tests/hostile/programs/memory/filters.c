/* SPDX-License-Identifier: Apache-2.0 */
/* Filters for system calls, each as long as it may be.
 *
 * result: exited 0
 * stdout: limited
 */
#include "tests/hostile/attempt.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

int main(void)
{
    static struct sock_filter code[4000];
    const struct sock_fprog filter = {4000, code};
    for (size_t i = 0; i < 4000; i++)
        code[i] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    int count = 0;
    while (count < 100 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0)
        count++;
    say(count < 100 ? "limited" : "not limited");
    return 0;
}
