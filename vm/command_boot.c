/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm boot and pe-vm restore: a VM begins to run. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/owner.h"
#include "vm/snapshot.h"
#include "vm/talk.h"

#include <poll.h>
#include <stdlib.h>

/* Wait until the agent of the guest answers. */
static int await_agent(const struct place *place, const struct vmname *name, uint64_t seconds,
                       struct pe_error *err)
{
    pe_autojson json_t *answer = NULL;
    pe_autoclose int fd = talk_connect(place, name, err);
    if (fd < 0 || talk_send(fd, json_pack("{s:s}", "command", "await"), err) < 0)
        return -1;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    if (poll(&wait, 1, (int)seconds * 1000) == 0)
        return pe_fail(
            err, PE_ERR_TIMEOUT,
            "no agent answered in the guest of %s within %llu s; the VM runs on, and `pe-vm console %s` "
            "shows what it writes",
            name->text, (unsigned long long)seconds, name->text);
    if (talk_receive(fd, &answer, err) == 0)
        return 0;
    return pe_fail_context(
        err, "the VM %s ended before its agent answered; `pe-vm console %s` shows what it wrote", name->text,
        name->text);
}

#define WAIT_MAX 86400u
#define WAIT_OPTION(seconds)                                                                          \
    {                                                                                                 \
        "wait", 'w', "SECONDS", "wait for the agent in the guest, so long at most", PE_OPTION_NUMBER, \
            &(seconds)                                                                                \
    }

static int check_wait(uint64_t seconds, struct pe_error *err)
{
    return seconds <= WAIT_MAX ? 0
                               : pe_fail(err, PE_ERR_INVALID, "--wait must be at most %u seconds", WAIT_MAX);
}

int command_boot(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    uint64_t wait = 0;
    const struct pe_option options[] = {WAIT_OPTION(wait), COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {.name = "pe-vm boot",
                                       .usage = "[options] NAME",
                                       .about =
                                           "Start a VM. A process in the background owns it until it ends.",
                                       .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0 ||
        check_wait(wait, err) < 0 || owner_start(&place, &name, NULL, err) < 0)
        return -1;
    return wait ? await_agent(&place, &name, wait, err) : 0;
}

/* Another command may have booted it meanwhile. */
static void remove_unless_it_runs(const struct place *place, const struct vmname *name)
{
    struct pe_error ignored;
    enum place_state state;
    pe_autoclose int lock = place_lock(place, &ignored);
    if (lock >= 0 && place_find_state(place, name, &state, &ignored) == 0 && state != PLACE_RUNNING)
        (void)!place_remove(place, name, &ignored);
}

/* Everybody can boot the VM as soon as it is there, so its settings never name the disks of the saved one. */
static int restore(const struct place *place, const struct vmname *name, const char *folder,
                   struct pe_error *err)
{
    static struct vmconfig config;
    if (snapshot_read(folder, &config, err) < 0)
        return -1;
    snapshot_own_disks(place, name, &config);
    if (place_create(place, name, &config, err) < 0)
        return -1;
    if (snapshot_copy_disks(folder, &config, err) == 0 && owner_start(place, name, folder, err) == 0)
        return 0;
    remove_unless_it_runs(place, name);
    return -1;
}

int command_restore(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {.name = "pe-vm restore",
                                       .usage = "[options] NAME FOLDER",
                                       .about = "Make a VM from a snapshot. It has copies of the disks, and "
                                                "goes on where the other one was saved.",
                                       .options = options};
    struct place place;
    struct vmname name;
    char folder[PATH_MAX];
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, true, &place, &name, &rest, err) < 0)
        return -1;
    if (rest + 1 != argc)
        return pe_fail(err, PE_ERR_INVALID,
                       "expected a name for the VM and a folder; see pe-vm restore --help");
    if (!realpath(argv[rest], folder))
        return pe_fail_errno(err, "cannot find %s", argv[rest]);
    return restore(&place, &name, folder, err);
}
