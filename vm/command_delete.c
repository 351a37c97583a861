/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm delete: the end of a VM, with everything that it has on the host. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/network.h"
#include "vm/talk.h"

#include <signal.h>

#define END_MS 30000u

/* An owner that does not obey is killed, and its VM with it. */
static int end_owner(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    struct pe_error ignored;
    pe_autojson json_t *answer = NULL;
    if (talk_ask_within(place, name, json_pack("{s:s}", "command", "end"), END_MS, &answer, &ignored) == 0 &&
        place_await_end(place, name, pe_now_us() + END_MS * 1000ull))
        return 0;
    const pid_t owner = place_owner(place, name);
    if (owner > 0)
        kill(owner, SIGKILL);
    return place_await_end(place, name, pe_now_us() + END_MS * 1000ull)
               ? 0
               : pe_fail(err, PE_ERR_TIMEOUT, "the owner of the VM %s does not end", name->text);
}

int command_delete(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    const struct pe_option options[] = {COMMAND_PLACE_OPTION(path), {0}};
    const struct pe_program program = {
        .name = "pe-vm delete",
        .usage = "[options] NAME",
        .about = "Kill the VM if it runs, and remove everything that pe-vm keeps of it. Its disks stay.",
        .options = options};
    struct place place;
    struct vmname name;
    enum place_state state;
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0 ||
        place_find_state(&place, &name, &state, err) < 0)
        return -1;
    if (state == PLACE_RUNNING && end_owner(&place, &name, err) < 0)
        return -1;
    pe_autoclose int lock = place_lock(&place, err);
    if (lock < 0 || place_find_state(&place, &name, &state, err) < 0)
        return -1;
    if (state == PLACE_RUNNING)
        return pe_fail(err, PE_ERR_BUSY, "another command has started the VM %s again", name.text);
    if (place_remove(&place, &name, err) < 0)
        return -1;
    network_sweep(&place);
    return 0;
}
