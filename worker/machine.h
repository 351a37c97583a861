/* One warm VM of a slot with the memory behind its devices, from its start to the last byte read. */
#ifndef PE_WORKER_MACHINE_H
#define PE_WORKER_MACHINE_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"
#include "worker/config.h"
#include "worker/memfile.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

struct machine {
    struct vm vm;
    struct memfile input, output;
    char image[PE_IMAGE_IDENTITY_SIZE]; /* that it was started for: its identity; "": there is no VM */
    bool ready;                         /* the guest said so */
    bool clone;                         /* of a template */
    uint64_t started_us;
    uint64_t spawn_us, restore_us, ready_us; /* how long each took to make it ready (enum pe_step) */
    char heard[256];                         /* the guest's current line, so far */
    size_t heard_size;
};

#define MACHINE_NONE ((struct machine){.vm = VM_NONE, .input = MEMFILE_NONE, .output = MEMFILE_NONE})

/* How long a guest may take to say `ready`: a boot and a warm-up under software emulation on a loaded host.
 */
#define MACHINE_READY_MS 90000u

/* What a booting guest does before it is ready. */
enum machine_preparation {
    MACHINE_BARE,      /* nothing: a job waits for it */
    MACHINE_CONTAINER, /* it makes the container */
    MACHINE_WARM,      /* it runs the image's warm-up command, then makes the container */
};

/* Boot a VM with the image's rootfs and fresh input and output devices. `savable`: it is to become a
 * template.
 * `*machine` is MACHINE_NONE on failure. */
int machine_boot(const struct worker_config *config, const struct pe_image *image,
                 enum machine_preparation preparation, bool savable, struct machine *machine,
                 struct pe_error *err) PE_MUST_CHECK;

/* A bare boot in place of a machine whose VM is lost, with the same input device: what a job's input has
 * written there stays. */
int machine_boot_again(const struct worker_config *config, const struct pe_image *image,
                       struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

/* The same as machine_boot from a template of this image, which machine_boot made WARM and savable: runs at
 * once, and says `ready` in a moment. */
int machine_clone(const struct worker_config *config, const struct pe_image *image,
                  const struct vm_snapshot *snapshot, struct machine *machine,
                  struct pe_error *err) PE_MUST_CHECK;

/* Have a clone that is ready use its time until the job comes: where guests are emulated it runs the image's
 * warm-up command once, after which its code has been translated. The job may come at any time. */
int machine_prewarm(const struct worker_config *config, const struct pe_image *image, struct machine *machine,
                    struct pe_error *err) PE_MUST_CHECK;

/* Stop a machine that is ready as soon as its guest is at rest, after 3 s in any case, and make it a
 * template; nothing of it is left but the snapshot. */
int machine_save(const struct worker_config *config, struct machine *machine, struct vm_snapshot *snapshot,
                 struct pe_error *err) PE_MUST_CHECK;

/* Kill the VM, if there is one, and keep the devices' memory: what is in it does not change any more. */
void machine_kill(struct machine *machine);

/* Kill the VM and free everything. Harmless on MACHINE_NONE, which it leaves behind. */
void machine_discard(struct machine *machine);

/* Read what the guest said, without blocking. 1: it said exactly `word`; 0: not yet. Negative: it said
 * something else, said `fail <reason>`, or its VMM ended (PE_ERR_LOST); the error says which. */
int machine_receive(struct machine *machine, const char *word, struct pe_error *err) PE_MUST_CHECK;

/* Whether there is a VM, and it was started for this image, not for one that had its name before. */
bool machine_is_for(const struct machine *machine, const struct pe_image *image);

/* Note that the guest said `ready`. */
void machine_is_ready(struct machine *machine);

/* Block until the guest has said `ready`. */
int machine_await_ready(struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

/* Tell the guest that its input is complete. PE_ERR_LOST when its VMM has ended. */
int machine_go(struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

#endif
