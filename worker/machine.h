/* One warm VM of a slot with the memory behind its devices, from boot to the last byte read. */
#ifndef PE_WORKER_MACHINE_H
#define PE_WORKER_MACHINE_H

#include "base/error.h"
#include "proto/image.h"
#include "worker/config.h"
#include "worker/memfile.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

struct machine {
    struct vm vm;
    struct memfile input, output;
    char image_digest[80]; /* of the rootfs it was started with; "" when there is no VM */
    bool ready;            /* the guest said so */
    uint64_t started_us;
    char heard[256]; /* the guest's current line, so far */
    size_t heard_size;
};

#define MACHINE_NONE ((struct machine){.vm = VM_NONE, .input = MEMFILE_NONE, .output = MEMFILE_NONE})

/* How long a guest may take to say `ready`: a boot under software emulation on a loaded host. */
#define MACHINE_READY_MS 60000u

/* Start a VM with the image's rootfs and fresh input and output devices. `*machine` is MACHINE_NONE on
 * failure. */
int machine_start(const struct worker_config *config, const struct pe_image *image, struct machine *machine,
                  struct pe_error *err) PE_MUST_CHECK;

/* Kill the VM, if there is one, and keep the devices' memory: what is in it does not change any more. */
void machine_kill(struct machine *machine);

/* Kill the VM and free everything. Harmless on MACHINE_NONE, which it leaves behind. */
void machine_discard(struct machine *machine);

/* Read what the guest said, without blocking. 1: it said exactly `word`; 0: not yet. Negative: it said
 * something else, said `fail <reason>`, or its VMM ended; the error says which. */
int machine_heard(struct machine *machine, const char *word, struct pe_error *err) PE_MUST_CHECK;

/* Tell the guest that its input is complete. */
int machine_go(struct machine *machine, struct pe_error *err) PE_MUST_CHECK;

#endif
