/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm delete: the end of a VM, with everything that it has on the host. */
#include "base/cleanup.h"
#include "vm/command.h"

int command_delete(int argc, char **argv, int *status, struct pe_error *err)
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
    (void)status;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0 ||
        place_find_state(&place, &name, &state, err) < 0)
        return -1;
    pe_autoclose int lock = place_lock(&place, err);
    return lock < 0 ? -1 : place_remove(&place, &name, err);
}
