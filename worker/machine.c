/* A slot's VM and its devices: made, listened to and thrown away as one. The guest's words are
 * proto/guest-contract.md. */
#include "worker/machine.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "image/store.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What kernel, pe-init and page cache need beside the job's memory: with less, a job at its limit meets a
 * guest that reclaims pages without end before the OOM killer of its own cgroup comes. */
#define GUEST_RESERVE_MIB 192u

static int start_vm(const struct worker_config *config, int rootfs, struct machine *machine,
                    struct pe_error *err)
{
    struct stat status;
    if (fstat(rootfs, &status) < 0)
        return pe_fail_errno(err, "rootfs");
    const struct vm_spec spec = {
        .memory_mib = config->memory_mib + GUEST_RESERVE_MIB,
        .cpus = PE_GUEST_CPUS,
        .pmem = {{.fd = rootfs, .bytes = (uint64_t)status.st_size, .writable = 0},
                 {.fd = machine->input.fd, .bytes = machine->input.size, .writable = 1},
                 {.fd = machine->output.fd, .bytes = machine->output.size, .writable = 1}},
    };
    return vm_start(&config->vm, &spec, &machine->vm, err);
}

int machine_start(const struct worker_config *config, const struct pe_image *image, struct machine *machine,
                  struct pe_error *err)
{
    *machine = MACHINE_NONE;
    machine->started_us = pe_now_us();
    pe_autoclose int rootfs = pe_store_open_rootfs(config->store, image, err);
    if (rootfs >= 0 && memfile_create("pe-input", PE_INPUT_DEVICE_BYTES, &machine->input, err) == 0 &&
        memfile_create("pe-output", PE_OUTPUT_DEVICE_BYTES, &machine->output, err) == 0 &&
        start_vm(config, rootfs, machine, err) == 0) {
        snprintf(machine->image_digest, sizeof machine->image_digest, "%s", image->digest);
        return 0;
    }
    machine_discard(machine);
    return pe_fail_context(err, "starting a VM for %s", image->name);
}

void machine_kill(struct machine *machine)
{
    vm_kill(&machine->vm);
    machine->ready = false;
}

void machine_discard(struct machine *machine)
{
    machine_kill(machine);
    memfile_close(&machine->input);
    memfile_close(&machine->output);
    *machine = MACHINE_NONE;
}

static int vmm_ended(const struct machine *machine, struct pe_error *err)
{
    char words[256];
    vm_last_words(&machine->vm, words, sizeof words);
    return pe_fail(err, PE_ERR_INTERNAL, "the VMM ended%s%s", words[0] ? ": " : "", words);
}

/* A whole line was heard. */
static int judge_line(struct machine *machine, const char *word, struct pe_error *err)
{
    char shown[200];
    const char *line = pe_path_printable(machine->heard, machine->heard_size, shown, sizeof shown);
    machine->heard_size = 0;
    if (!strcmp(line, word))
        return 1;
    if (!strncmp(line, "fail ", 5))
        return pe_fail(err, PE_ERR_INTERNAL, "the guest failed: %s", line + 5);
    return pe_fail(err, PE_ERR_INTERNAL, "the guest said '%s' instead of '%s'", line, word);
}

int machine_heard(struct machine *machine, const char *word, struct pe_error *err)
{
    for (;;) {
        char byte = 0;
        ssize_t n = read(machine->vm.control_fd, &byte, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0)
            return vmm_ended(machine, err);
        if (byte == '\n')
            return judge_line(machine, word, err);
        if (byte == '\r')
            continue;
        if (machine->heard_size == sizeof machine->heard)
            return pe_fail(err, PE_ERR_INTERNAL, "the guest talks without end");
        machine->heard[machine->heard_size++] = byte;
    }
}

int machine_go(struct machine *machine, struct pe_error *err)
{
    return pe_write_all(machine->vm.control_fd, "go\n", 3, "the VM's control channel", err);
}
