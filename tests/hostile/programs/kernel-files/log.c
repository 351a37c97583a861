/* SPDX-License-Identifier: Apache-2.0 */
/* Read and write the log of the kernel.
 *
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/klog.h>

int main(void)
{
    char text[4096];
    must_fail("syslog", klogctl(3, text, sizeof text));
    must_fail("clearing the log", klogctl(5, NULL, 0));
    must_fail("the level of the console", klogctl(8, NULL, 8));
    must_not_open("/dev/kmsg", O_WRONLY);
    must_not_open("/dev/kmsg", O_RDONLY);
    must_not_open("/proc/kmsg", O_RDONLY);
    return held();
}
