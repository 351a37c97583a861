/* SPDX-License-Identifier: Apache-2.0 */
/* The folder in which pe-vm keeps its VMs: a folder for each, with its settings, the lock and the socket of
 * its owner, and its console.
 *
 *   PLACE/lock               held while VMs or networks are made, removed or swept
 *   PLACE/NAME/config.json   the settings
 *   PLACE/NAME/owner.lock    locked by the owner, the process that runs the VM, for as long as it lives
 *                            (F_OFD_SETLK of fcntl(2), because others can look at that without taking it)
 *   PLACE/NAME/owner.pid     its process ID; present from its start until its orderly end
 *   PLACE/NAME/control.sock  its socket
 *   PLACE/NAME/networks      the namespaces that it is in
 *   PLACE/NAME/ended         why it ended
 *   PLACE/NAME/swept         present if the owner was killed and what it left behind is removed
 *   PLACE/NAME/console       what the guest wrote to its console
 *   PLACE/NAME/console.old   what it wrote before that (vm/console.h)
 *   PLACE/NAME/router-console the same of the last router VM in its cable
 *   PLACE/NAME/log           what the owner and the VMM reported
 *   PLACE/NAME/vmm           files that the VMM needs by path
 *
 * A VM whose owner.pid exists while nobody holds owner.lock is dead: its owner was killed. Every command
 * cleans up after such owners (vm/sweep.h). */
#ifndef PE_VM_PLACE_H
#define PE_VM_PLACE_H

#include "base/buffer.h"
#include "base/error.h"
#include "vm/config.h"
#include "vm/name.h"

#include <stdbool.h>
#include <sys/types.h>

/* As long as a path may be so that a socket in the folder of a VM still has a valid address (unix(7)). */
#define PLACE_PATH_MAX 60

struct place {
    char path[PLACE_PATH_MAX + 1]; /* absolute */
};

enum place_state {
    PLACE_STOPPED, /* it does not run: it never has, it ended, or it was shut down */
    PLACE_RUNNING, /* its owner lives */
    PLACE_DEAD,    /* its owner was killed, and the VM with it */
};

/* The word for a state in lists: "stopped", "running" or "dead". */
const char *place_state_name(enum place_state state);

/* Find the folder, and create it if it is missing: `path`, or the default for the user if that is NULL. Then
 * remove what killed commands left behind. PE_ERR_INVALID if the path is too long or not absolute,
 * PE_ERR_INTERNAL if it cannot be created or locked, or belongs to another user. */
int place_open(const char *path, struct place *place, struct pe_error *err) PE_MUST_CHECK;

/* Write the path of `file` in the folder of the VM to `path`, which has PLACE_FILE_MAX bytes; "" stands for
 * the folder. */
#define PLACE_FILE_MAX 128
void place_file(const struct place *place, const struct vmname *name, const char *file,
                char path[PLACE_FILE_MAX]);

/* Lock the place against other commands that make or remove things. Waits for them. Returns a descriptor,
 * which the caller closes to unlock it. PE_ERR_INTERNAL if the file cannot be made or locked. */
int place_lock(const struct place *place, struct pe_error *err) PE_MUST_CHECK;

/* Become the owner of a VM: take its lock, and note the process ID of this process. PE_ERR_INVALID if it has
 * an owner already, PE_ERR_INTERNAL if that cannot be written. The caller closes the descriptor to give the
 * lock back. */
int place_own(const struct place *place, const struct vmname *name, struct pe_error *err) PE_MUST_CHECK;

/* Make the VM: complete, or not at all. PE_ERR_INVALID if there is one of this name, PE_ERR_INTERNAL if its
 * folder cannot be written. */
int place_create(const struct place *place, const struct vmname *name, const struct vmconfig *config,
                 struct pe_error *err) PE_MUST_CHECK;

/* Read the settings of a VM. PE_ERR_NOT_FOUND if there is none of this name; PE_ERR_MALFORMED,
 * PE_ERR_TOO_LARGE or PE_ERR_INTERNAL if its config.json is damaged or cannot be read. */
int place_read(const struct place *place, const struct vmname *name, struct vmconfig *config,
               struct pe_error *err) PE_MUST_CHECK;

/* Whether it runs. PE_ERR_NOT_FOUND if there is no such VM, PE_ERR_INTERNAL if the lock of its owner cannot
 * be looked at. */
int place_find_state(const struct place *place, const struct vmname *name, enum place_state *state,
                     struct pe_error *err) PE_MUST_CHECK;

/* Wait until the owner of a VM has ended, at most until the deadline on the clock of pe_now_us. Returns
 * whether it has. */
bool place_await_end(const struct place *place, const struct vmname *name, uint64_t deadline_us);

/* The process ID of the owner; -1 if there is none, or it cannot be read. */
pid_t place_owner(const struct place *place, const struct vmname *name);

/* For the owner of a VM: note that it ends in an orderly way. `why` is shown by `pe-vm info`; on a full disk
 * it is lost. */
void place_note_end(const struct place *place, const struct vmname *name, const char *why);

/* Append the content of a file of at most 64 KiB, with a NUL at its end, to `text`. Returns whether it could
 * be read. */
bool place_read_text(const char *path, struct pe_buf *text);

/* Remove the folder of a VM whose owner has ended. Harmless if there is none. PE_ERR_INTERNAL if something of
 * it cannot be removed. */
int place_remove(const struct place *place, const struct vmname *name, struct pe_error *err) PE_MUST_CHECK;

/* Call `visit` for each VM, in the order of their names, until it fails. Returns what it returned last.
 * PE_ERR_INTERNAL if the folder cannot be read. */
int place_for_each(const struct place *place,
                   int (*visit)(const struct place *place, const struct vmname *name, void *context,
                                struct pe_error *err),
                   void *context, struct pe_error *err) PE_MUST_CHECK;

#endif
