/* SPDX-License-Identifier: Apache-2.0 */
/* Open devices by the names that they have in a guest, for reading and for writing.
 *
 * engines: each
 * result: exited 0
 * stdout: held
 */
#include "tests/hostile/attempt.h"

int main(void)
{
    static const char *const names[] = {"pmem0",       "pmem1",     "pmem2",         "pmem3",
                                        "ubda",        "ubdb",      "ubdc",          "ubdd",
                                        "ubde",        "vda",       "sda",           "root",
                                        "ram0",        "loop0",     "loop-control",  "mapper/control",
                                        "ttyS0",       "ttyS1",     "hvc0",          "console",
                                        "tty",         "tty0",      "tty1",          "vport0p1",
                                        "mem",         "kmem",      "port",          "kmsg",
                                        "nvram",       "rtc0",      "kvm",           "vhost-net",
                                        "vhost-vsock", "vsock",     "net/tun",       "fuse",
                                        "cuse",        "uinput",    "uhid",          "userfaultfd",
                                        "snapshot",    "watchdog",  "cpu/0/msr",     "cpu_dma_latency",
                                        "hwrng",       "autofs",    "btrfs-control", "ptp0",
                                        "udmabuf",     "vfio/vfio", "dax0.0",        "ndctl0",
                                        "hpet"};
    char path[64];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "/dev/%s", names[i]);
        must_not_open(path, O_RDONLY);
        must_not_open(path, O_RDWR);
    }
    return held();
}
