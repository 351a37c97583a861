/* SPDX-License-Identifier: Apache-2.0 */
/* The VM of one job together with the memory behind its devices, from its start until its output has
 * been read. The lines that guest and worker exchange are described in proto/guest-contract.md. */
#ifndef PE_WORKER_JOB_MACHINE_H
#define PE_WORKER_JOB_MACHINE_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"
#include "proto/result.h"
#include "worker/job/guest_line.h"
#include "worker/job/memfile.h"
#include "worker/job/vm_starter.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

/* What all machines of a process have in common. */
struct machine_host {
    struct vm_starter starter;
    const char *store;   /* directory of the image store, borrowed */
    uint32_t memory_mib; /* what a job may use */
    uint32_t cpus;       /* of a VM */
    bool prewarm;        /* templates are made so that their clones can be prewarmed */
    bool prewarm_clones; /* machine_prewarm does so */
};

struct machine {
    struct vm vm;                            /* owned */
    struct vm_starter starter;               /* that started it */
    struct memfile input, output, live;      /* owned */
    char image[PE_IMAGE_IDENTITY_SIZE];      /* identity of its image; "": there is no VM */
    bool ready;                              /* the guest has said `ready` */
    bool started;                            /* it was told `go` */
    bool clone;                              /* it is a clone of a template */
    bool cold;                               /* its image's warm-up command has not run, but can */
    uint64_t started_us;                     /* on the clock of pe_now_us */
    uint64_t spawn_us, restore_us, ready_us; /* duration of the steps of that name (enum pe_step) */
    struct guest_line line;                  /* what the guest has sent of its current line */
};

#define MACHINE_NONE \
    ((struct machine){.vm = VM_NONE, .input = MEMFILE_NONE, .output = MEMFILE_NONE, .live = MEMFILE_NONE})

/* Bound on the time until a guest says `ready`, in ms. It allows for a boot and a warm-up command
 * under software emulation on a busy host. */
#define MACHINE_READY_MS 90000u

/* What a booting guest does before it says `ready`. */
enum machine_preparation {
    MACHINE_BARE,      /* nothing, because a job waits for it */
    MACHINE_CONTAINER, /* it creates the container */
    MACHINE_WARM,      /* it runs the image's warm-up command, then creates the container */
};

/* The RAM of a VM whose job may use `job_mib`. */
uint32_t machine_memory_mib(uint32_t job_mib);

/* Boot a VM with the image's rootfs and new input and output devices. `savable` means that
 * machine_save shall be possible. Returns without waiting for the guest. On failure `*machine` is
 * MACHINE_NONE. Errors are those of vm_boot, and of pe_store_open_rootfs. */
int machine_boot(const struct machine_host *host, const struct pe_image *image,
                 enum machine_preparation preparation, bool savable, struct machine *machine,
                 struct pe_error *err) PE_MUST_CHECK;

/* Replace a machine whose VM is lost by a MACHINE_BARE boot that keeps the input device and what a
 * job has written to it. On failure `*machine` is MACHINE_NONE. Errors are those of machine_boot.
 */
int machine_boot_again(const struct machine_host *host, const struct pe_image *image, struct machine *machine,
                       struct pe_error *err) PE_MUST_CHECK;

/* Clone a template of this image, which was booted as MACHINE_WARM and savable. The clone runs when
 * this returns and says `ready` soon after. On failure `*machine` is MACHINE_NONE. Errors are those
 * of vm_clone, and of pe_store_open_rootfs. */
int machine_clone(const struct machine_host *host, const struct pe_image *image,
                  const struct vm_snapshot *snapshot, struct machine *machine,
                  struct pe_error *err) PE_MUST_CHECK;

/* Let a machine that is ready use the time until its job arrives: a clone whose guest is emulated runs the
 * image's warm-up command once, so that its code has been translated, if host->prewarm_clones is set. One
 * that was booted as MACHINE_CONTAINER runs it so that its page cache is warm. The job may arrive at any
 * time. Does nothing for others, and for one that has done it. PE_ERR_INTERNAL if the serial port cannot be
 * written, and the errors of bundle_texts and input_finish; the machine is of no use then. */
int machine_prewarm(const struct machine_host *host, const struct pe_image *image, struct machine *machine,
                    struct pe_error *err) PE_MUST_CHECK;

/* Wait until the guest of a machine that is ready is at rest, for at most 3 s, and save it. The caller owns
 * `*snapshot`, which is VM_SNAPSHOT_NONE on failure, and if somebody else keeps it (struct vm_starter).
 * `*machine` is MACHINE_NONE afterwards. Errors are those of vm_save. */
int machine_save(struct machine *machine, struct vm_snapshot *snapshot, struct pe_error *err) PE_MUST_CHECK;

/* Let the VM die, if there is one, without waiting for that. The memory of the devices may still change,
 * until machine_kill or machine_discard returns, one of which has to follow. */
void machine_begin_kill(struct machine *machine);

/* Kill the VM, if there is one, and keep the memory of the devices, which does not change any more.
 */
void machine_kill(struct machine *machine);

/* Kill the VM and free everything. Harmless on MACHINE_NONE, which it leaves behind. */
void machine_discard(struct machine *machine);

/* What machine_receive returns when the guest rings the doorbell of its live device. */
enum { MACHINE_LIVE = 2 };

/* Read from the guest without blocking. Returns 1 if it sent exactly the line `expected`, 0 if its line is
 * not complete yet, and MACHINE_LIVE if it was told `go` and rang the doorbell of its live device. Fails with
 * PE_ERR_LOST if the VMM ended, and with PE_ERR_INTERNAL if the guest sent another line or `fail REASON`. */
int machine_receive(struct machine *machine, const char *expected, struct pe_error *err) PE_MUST_CHECK;

/* Returns whether there is a VM that was started for exactly this image, not for one that had its
 * name before. */
bool machine_is_for(const struct machine *machine, const struct pe_image *image);

/* Note that the guest said `ready`, and how long that took. */
void machine_is_ready(struct machine *machine);

/* Block until the guest has said `ready`. Fails as machine_receive does, and with PE_ERR_LOST after
 * MACHINE_READY_MS. */
int machine_await_ready(struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

/* Write the steps of a job in `step_us` that the machine knows: how it was made, and `go`. The guest has
 * measured the steps between `go` and `done` itself. It is not trusted, so their sum is limited to `run_us`,
 * the time that was measured here. */
void machine_settle_steps(const struct machine *machine, uint64_t run_us, uint64_t step_us[PE_STEPS]);

/* Tell the guest that its input is complete. Fails with PE_ERR_LOST if the VMM has ended. */
int machine_go(struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

#endif
