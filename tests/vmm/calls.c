/* SPDX-License-Identifier: Apache-2.0 */
/* Makes calls of worker/vmm/ch_api.h on a running cloud-hypervisor, also those that it refuses: calls PID
 * API_SOCKET KERNEL INITRAMFS FOLDER. FOLDER is empty. Prints "ok SENTENCE" lines and ends the VMM. */
#include "base/io.h"
#include "worker/vmm/ch_api.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MEMORY_BYTES (256ll << 20)
#define SECONDS 120

static int failures;
static struct pe_error err;

static void check(bool holds, const char *sentence)
{
    if (!holds)
        printf("# %s\n", err.message);
    printf("%s %s\n", holds ? "ok" : "not ok", sentence);
    failures += !holds;
}

static json_t *make_config(char **argv)
{
    return json_pack("{s:{s:s, s:s, s:s}, s:{s:i, s:i}, s:{s:I, s:b}, s:{s:s}, s:{s:s}}", "payload", "kernel",
                     argv[3], "initramfs", argv[4], "cmdline", "quiet rdinit=/vmm-test", "cpus", "boot_vcpus",
                     1, "max_vcpus", 1, "memory", "size", (json_int_t)MEMORY_BYTES, "shared", 1, "serial",
                     "mode", "Null", "console", "mode", "Off");
}

static void check_running(struct ch_api *api)
{
    check(ch_api_boot(api, &err) == 0, "boot makes it run");
    check(ch_api_boot(api, &err) < 0, "boot is refused when it runs");
    check(ch_api_resize(api, 1, 0, &err) == 0, "resize to the size that it has changes nothing");
    check(ch_api_resize(api, 2, 0, &err) < 0, "resize beyond the most CPUs is refused");
    check(ch_api_resume(api, &err) < 0, "resume is refused when it runs");
}

static void check_snapshot(struct ch_api *api, const char *folder)
{
    check(ch_api_snapshot(api, folder, &err) < 0, "snapshot is refused when it runs");
    check(ch_api_pause(api, &err) == 0, "pause pauses");
    check(ch_api_pause(api, &err) < 0, "pause is refused when it is paused");
    check(ch_api_snapshot(api, folder, &err) == 0, "snapshot writes one");
    check(ch_api_snapshot(api, folder, &err) < 0, "snapshot never overwrites one");
    check(ch_api_restore(api, folder, &err) < 0, "restore is refused when there is a VM");
    check(ch_api_resume(api, &err) == 0, "resume makes it run again, after the snapshot as well");
}

int main(int argc, char **argv)
{
    autochapi struct ch_api api = CH_API_NONE;
    if (argc != 6)
        return 2;
    const pid_t pid = atoi(argv[1]);
    struct pollfd ended = {.events = POLLIN, .fd = (int)syscall(SYS_pidfd_open, pid, 0)};
    if (ch_api_begin(&api, argv[2], ended.fd, pe_now_us() + SECONDS * 1000000ull, &err) < 0 ||
        ch_api_await_socket(&api, &err) < 0)
        return 2;
    check(ch_api_boot(&api, &err) < 0, "boot is refused before create");
    check(ch_api_create(&api, make_config(argv), &err) == 0, "create makes a VM");
    check(ch_api_create(&api, make_config(argv), &err) < 0, "create is refused when there is one");
    check_running(&api);
    check_snapshot(&api, argv[5]);
    check(kill(pid, SIGTERM) == 0 && poll(&ended, 1, SECONDS * 1000) > 0, "SIGTERM ends the VMM");
    check(ch_api_pause(&api, &err) < 0 && err.kind == PE_ERR_LOST, "no call works after that");
    close(ended.fd);
    return failures ? 1 : 0;
}
