/* SPDX-License-Identifier: Apache-2.0 */
/* Make the devices of the VM in every place that can be written to: disks, serial ports, memory, ports,
 * network interfaces, KVM.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>

int main(void)
{
    static const char *const folders[] = {"/tmp", "/dev", "/dev/shm", "/work", "/output"};
    static const struct {
        mode_t type;
        unsigned major, minor;
    } devices[] = {{S_IFBLK, 259, 0},  {S_IFBLK, 259, 2},  {S_IFBLK, 98, 0}, {S_IFBLK, 98, 32},
                   {S_IFBLK, 0, 0},    {S_IFCHR, 4, 64},   {S_IFCHR, 5, 1},  {S_IFCHR, 1, 1},
                   {S_IFCHR, 1, 2},    {S_IFCHR, 1, 4},    {S_IFCHR, 1, 11}, {S_IFCHR, 10, 200},
                   {S_IFCHR, 10, 232}, {S_IFCHR, 10, 229}, {S_IFBLK, 7, 0}};
    char path[64];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        for (size_t j = 0; j < sizeof devices / sizeof *devices; j++) {
            snprintf(path, sizeof path, "%s/device%zu", folders[i], j);
            dev_t number = makedev(devices[j].major, devices[j].minor);
            must_fail(path, mknod(path, devices[j].type | 0600, number));
        }
    return held();
}
