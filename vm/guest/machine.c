/* SPDX-License-Identifier: Apache-2.0 */
/* The guest around the agent: its file systems, modules, CPUs and memory, and its end. */
#include "vm/guest/machine.h"

#include "base/cleanup.h"
#include "guest-init/modules.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int mount_at(const char *type, const char *place, struct pe_error *err)
{
    if ((mkdir(place, 0755) < 0 && errno != EEXIST) ||
        (mount(type, place, type, 0, NULL) < 0 && errno != EBUSY))
        return pe_fail_errno(err, "cannot mount %s on %s", type, place);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    pe_autoclose int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        (void)!write(fd, text, strlen(text));
}

static void bring_up_loopback(void)
{
    struct ifreq request = {.ifr_flags = IFF_UP | IFF_RUNNING};
    pe_autoclose int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(request.ifr_name, "lo", 3);
    if (fd >= 0)
        (void)!ioctl(fd, SIOCSIFFLAGS, &request);
}

int machine_prepare(struct pe_error *err)
{
    if (mount_at("proc", "/proc", err) < 0 || mount_at("sysfs", "/sys", err) < 0 ||
        mount_at("devtmpfs", "/dev", err) < 0 || mount_at("tmpfs", "/tmp", err) < 0 ||
        mount_at("tmpfs", "/run", err) < 0 || mount_at("devpts", "/dev/pts", err) < 0)
        return -1;
    write_file("/proc/sys/kernel/hostname", "vm");
    write_file("/sys/devices/system/memory/auto_online_blocks", "online");
    bring_up_loopback();
    return modules_load(err);
}

/* The CPUs 1 to 63; CPU 0 is always there. Memory is used at once (auto_online_blocks), unless another system
 * has turned that off. */
void machine_use_everything(void)
{
    char path[80];
    for (int i = 1; i < 64; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/online", i);
        write_file(path, "1");
    }
    for (int i = 0; i < 1024; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/memory/memory%d/state", i);
        write_file(path, "online");
    }
}

/* Another init has to stop its services first. */
void machine_power_off(void)
{
    sync();
    if (getpid() == 1)
        reboot(RB_POWER_OFF);
    else if (fork() == 0) {
        execlp("poweroff", "poweroff", (char *)NULL);
        _exit(127);
    }
}
