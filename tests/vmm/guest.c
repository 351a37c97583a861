/* SPDX-License-Identifier: Apache-2.0 */
/* The init of a guest for testing VMM drivers. It executes the commands that it reads from its
 * serial port, one per line, and answers each with a line. It is a static program, which the tests
 * append to the initramfs as /vmm-test. */
#include "base/cleanup.h"
#include "base/error.h"
#include "guest-init/devices.h"
#include "guest-init/layout.h"
#include "guest-init/modules.h"
#include "guest-init/serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 4096

static char block[BLOCK] __attribute__((aligned(BLOCK)));

static void give_up(int serial, const char *why) __attribute__((noreturn));
static void give_up(int serial, const char *why)
{
    char line[256];
    struct pe_error ignored;
    snprintf(line, sizeof line, "fail %s: %s", why, strerror(errno));
    int said = serial < 0 ? -1 : serial_send(serial, line, &ignored);
    (void)said;
    for (;;)
        pause();
}

/* Read the first block of a device. O_DIRECT avoids the page cache, which a clone inherits from its
 * template. */
static void read_device(int serial, const char *device)
{
    pe_autoclose int fd = open(device, O_RDONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0 || pread(fd, block, BLOCK, 0) != BLOCK)
        give_up(serial, device);
}

static void write_device(int serial, const char *device, const char *text)
{
    memset(block, 0, BLOCK);
    snprintf(block, BLOCK, "%s", text);
    pe_autoclose int fd = open(device, O_WRONLY | O_DIRECT | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, block, BLOCK, 0) != BLOCK)
        give_up(serial, device);
}

/* Reset without reboot(2), which flushes pmem devices first. QEMU (7.2) does not migrate the queue
 * that a flush uses, so in a clone reboot(2) would never return. */
static void reset(int serial)
{
    pe_autoclose int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "b", 1) != 1)
        give_up(serial, "/proc/sysrq-trigger");
}

static void execute(int serial, const char *line)
{
    static unsigned count;
    char answer[200] = "ready";
    struct pe_error err;
    if (!strcmp(line, "count"))
        snprintf(answer, sizeof answer, "%u", ++count);
    else if (!strcmp(line, "rootfs") || !strcmp(line, "input")) {
        read_device(serial, line[0] == 'r' ? guest_devices()->rootfs : guest_devices()->input);
        snprintf(answer, sizeof answer, "%.*s", (int)sizeof answer - 1, block);
    } else if (!strncmp(line, "output ", 7))
        write_device(serial, guest_devices()->output, line + 7);
    else if (!strcmp(line, "sleep"))
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    else if (!strcmp(line, "reset"))
        reset(serial);
    else if (!strcmp(line, "poweroff"))
        reboot(RB_POWER_OFF);
    else if (!strcmp(line, "panic"))
        _exit(1); /* the kernel panics when PID 1 exits */
    else if (strcmp(line, "wake") != 0)
        snprintf(answer, sizeof answer, "fail unknown command");
    if (serial_send(serial, answer, &err) < 0)
        give_up(serial, err.message);
}

static void await_devices(int serial)
{
    static const struct timespec pause_10ms = {.tv_nsec = 10000000};
    for (int i = 0; access(guest_devices()->output, F_OK) < 0; i++) {
        if (i == 1000)
            give_up(serial, guest_devices()->output);
        nanosleep(&pause_10ms, NULL);
    }
}

int main(void)
{
    struct pe_error err;
    char line[128];
    size_t used = 0;
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
    int serial = serial_open(&err);
    if (modules_load(&err) < 0)
        give_up(serial, err.message);
    await_devices(serial);
    if (serial_send(serial, "ready", &err) < 0)
        give_up(serial, "ready");
    while (read(serial, line + used, 1) == 1) {
        if (line[used] != '\n') {
            if (++used == sizeof line)
                give_up(serial, "a line is too long");
            continue;
        }
        line[used] = '\0';
        used = 0;
        execute(serial, line);
    }
    give_up(serial, "cannot read the serial port");
}
