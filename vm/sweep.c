/* SPDX-License-Identifier: Apache-2.0 */
/* Finding VMs whose owner was killed. */
#include "vm/sweep.h"

#include "base/cleanup.h"
#include "vm/engine.h"
#include "vm/network.h"

#include <fcntl.h>
#include <unistd.h>

/* A VM is swept once: note it. */
static void note(const struct place *place, const struct vmname *name)
{
    char path[PLACE_FILE_MAX];
    place_file(place, name, "swept", path);
    const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0)
        close(fd);
}

static int sweep_one(const struct place *place, const struct vmname *name, void *context,
                     struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    enum place_state state;
    bool *found = context;
    if (place_find_state(place, name, &state, err) < 0 || state != PLACE_DEAD)
        return 0;
    place_file(place, name, "swept", path);
    if (access(path, F_OK) == 0)
        return 0;
    place_file(place, name, "networks", path);
    *found |= unlink(path) == 0;
    place_file(place, name, "control.sock", path);
    unlink(path);
    place_file(place, name, "vmm", path);
    vm_engine_sweep(path);
    note(place, name);
    return 0;
}

void sweep(const struct place *place)
{
    bool found = false;
    struct pe_error ignored;
    pe_autoclose int lock = place_lock(place, &ignored);
    if (lock >= 0 && place_for_each(place, sweep_one, &found, &ignored) == 0 && found)
        network_sweep(place);
}
