/* SPDX-License-Identifier: Apache-2.0 */
/* Makes every call of worker/vmm/ch_api.h on a running cloud-hypervisor: calls PID API_SOCKET
 * KERNEL INITRAMFS DEVICE FOLDER. The size of the file DEVICE is a multiple of 2 MiB, and FOLDER is
 * empty. Prints "ok SENTENCE" lines and ends the VMM. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "worker/vmm/ch_api.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

static bool state_is(struct ch_api *api, const char *wanted)
{
    pe_autojson json_t *info = NULL;
    if (ch_api_info(api, &info, &err) < 0)
        return false;
    const char *state = json_string_value(json_object_get(info, "state"));
    return state && !strcmp(state, wanted);
}

static size_t devices(struct ch_api *api)
{
    pe_autojson json_t *info = NULL;
    if (ch_api_info(api, &info, &err) < 0)
        return 0;
    return json_array_size(json_object_get(json_object_get(info, "config"), "pmem"));
}

static json_t *make_config(char **argv)
{
    return json_pack("{s:{s:s, s:s, s:s}, s:{s:i, s:i}, s:{s:I, s:b}, s:{s:s}, s:{s:s}}", "payload", "kernel",
                     argv[3], "initramfs", argv[4], "cmdline", "quiet rdinit=/vmm-test", "cpus", "boot_vcpus",
                     1, "max_vcpus", 1, "memory", "size", (json_int_t)MEMORY_BYTES, "shared", 1, "serial",
                     "mode", "Null", "console", "mode", "Off");
}

static json_t *make_device(const char *id, const char *file)
{
    return json_pack("{s:s, s:s, s:b}", "id", id, "file", file, "discard_writes", 1);
}

static void check_devices(struct ch_api *api, const char *file)
{
    char other[256];
    snprintf(other, sizeof other, "%s.2", file);
    check(ch_api_add_pmem(api, make_device("one", file), &err) == 0 &&
              ch_api_add_pmem(api, make_device("two", other), &err) == 0 && devices(api) == 2,
          "add-pmem adds devices to a VM that is created");
    check(ch_api_remove_device(api, "one", &err) == 0 && devices(api) == 1, "remove-device removes one");
    check(ch_api_remove_device(api, "one", &err) < 0, "remove-device does not remove what is not there");
}

static void check_running(struct ch_api *api)
{
    pe_autojson json_t *counters = NULL;
    check(ch_api_boot(api, &err) == 0 && state_is(api, "Running"), "boot makes it run");
    check(ch_api_counters(api, &counters, &err) == 0 && json_is_object(counters), "counters are an object");
    check(ch_api_resize(api, 1, 0, &err) == 0, "resize to the size that it has changes nothing");
    check(ch_api_resize(api, 2, 0, &err) < 0, "resize beyond the most CPUs is refused");
    check(ch_api_pause(api, &err) == 0 && state_is(api, "Paused"), "pause pauses");
    check(ch_api_pause(api, &err) < 0, "pause is refused when it is paused");
}

static void check_snapshot(struct ch_api *api, const char *folder)
{
    check(ch_api_snapshot(api, folder, &err) == 0 && state_is(api, "Paused"), "snapshot leaves it paused");
    check(ch_api_snapshot(api, folder, &err) < 0, "snapshot never overwrites one");
    check(ch_api_resume(api, &err) == 0 && state_is(api, "Running"), "resume makes it run again");
    check(ch_api_shutdown(api, &err) == 0 && state_is(api, "Created"), "shutdown keeps the configuration");
    check(ch_api_delete(api, &err) == 0 && !state_is(api, "Created"), "delete does not");
    check(ch_api_restore(api, folder, &err) == 0 && state_is(api, "Paused"),
          "restore brings it back, paused");
    check(ch_api_resume(api, &err) == 0 && state_is(api, "Running"), "resume makes it run on");
}

int main(int argc, char **argv)
{
    autochapi struct ch_api api = CH_API_NONE;
    char version[64] = "";
    if (argc != 7)
        return 2;
    struct pollfd ended = {.events = POLLIN, .fd = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0)};
    if (ch_api_begin(&api, argv[2], ended.fd, pe_now_us() + SECONDS * 1000000ull, &err) < 0 ||
        ch_api_await_socket(&api, &err) < 0)
        return 2;
    check(ch_api_ping(&api, version, sizeof version, &err) == 0 && version[0], "ping tells the release");
    check(ch_api_boot(&api, &err) < 0, "boot is refused before create");
    check(ch_api_create(&api, make_config(argv), &err) == 0 && state_is(&api, "Created"),
          "create makes a VM");
    check(ch_api_create(&api, make_config(argv), &err) < 0, "create is refused when there is one");
    check_devices(&api, argv[5]);
    check_running(&api);
    check_snapshot(&api, argv[6]);
    check(ch_api_shutdown_vmm(&api, &err) == 0 && poll(&ended, 1, SECONDS * 1000) > 0,
          "the VMM's shutdown ends it");
    check(ch_api_delete(&api, &err) < 0, "no call works after that");
    close(ended.fd);
    return failures ? 1 : 0;
}
