/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm: its commands. */
#include "base/command.h"
#include "vm/command.h"

#include <signal.h>

static const struct pe_command commands[] = {
    {"create", "define a VM, as in: pe-vm create --engine qemu --memory 512 one", command_create},
    {"boot", "start a VM", command_boot},
    {"info", "print state and settings of a VM", command_info},
    {"list", "list the VMs", command_list},
    {"task", "run one job in a VM of its own, as a worker does, and print where the time went", command_task},
    {"template", "make a snapshot for such VMs", command_template},
    {"exec", "run a command in the guest, as in: pe-vm exec one -- uname -a", command_exec},
    {"console", "show what the guest wrote to its console", command_console},
    {"pause", "stop the CPUs of a VM", command_pause},
    {"resume", "let the CPUs of a paused VM run again", command_resume},
    {"snapshot", "save a VM with its disks to a folder", command_snapshot},
    {"restore", "make a VM from a snapshot and let it run", command_restore},
    {"resize", "change memory and virtual CPUs of a VM", command_resize},
    {"add-disk", "plug a disk in", command_add_disk},
    {"add-net", "plug a network device in", command_add_net},
    {"remove", "take a device away", command_remove},
    {"fault", "let the link of a VM fail for a while, or kill the VM", command_fault},
    {"shutdown", "let the guest end in an orderly way", command_shutdown},
    {"delete", "kill a VM and remove everything that belongs to it", command_delete},
    {0},
};

static const struct pe_command_list list = {
    .program = "pe-vm", .about = "Manage virtual machines by name, for tests and trials.", .items = commands};

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    return pe_command_main(&list, argc, argv);
}
