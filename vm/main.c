/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm: choose the subcommand and report its error. */
#include "vm/command.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *about;
    int (*run)(int argc, char **argv, int *status, struct pe_error *err);
} commands[] = {
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
};

static void print_usage(FILE *out)
{
    fprintf(out,
            "Usage: pe-vm COMMAND [options]\nManage virtual machines by name, for tests and trials.\n\n");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].about);
    fprintf(out, "\n`pe-vm COMMAND --help` shows the options of a command.\n");
}

static int run(size_t command, int argc, char **argv)
{
    struct pe_error err;
    int status = 0;
    if (commands[command].run(argc, argv, &status, &err) < 0)
        pe_die(err.kind == PE_ERR_INVALID ? 2 : 1, &err);
    return status;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2 || !strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
        print_usage(argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (!strcmp(argv[1], commands[i].name))
            return run(i, argc - 1, argv + 1);
    fprintf(stderr, "pe-vm: there is no command '%s'; see pe-vm --help\n", argv[1]);
    return 2;
}
