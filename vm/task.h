/* SPDX-License-Identifier: Apache-2.0 */
/* One VM for one job, without a balancer: it is made as a slot of a worker makes it, runs the job, and ends.
 */
#ifndef PE_VM_TASK_H
#define PE_VM_TASK_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/job_spec.h"
#include "proto/slot_parts.h"
#include "store/store.h"
#include "vm/task_host.h"
#include "worker/job/input.h"
#include "worker/job/machine.h"
#include "worker/job/output.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct task_settings {
    const char *image, *store;  /* `store` is the directory of the image store */
    const char *stdin_path;     /* NULL: the job reads /dev/null */
    const char *template_files; /* "MEMORY,STATE": the files of a snapshot of another process; NULL: none */
    char *const *files;         /* paths, which the job gets with their last names */
    size_t file_count;
    char *const *cmd; /* NULL: the image's default command */
    size_t cmd_count;
    uint32_t memory_mib, cpus, timeout_ms;
    uint32_t settle_ms; /* between `ready` and the job; the image's warm-up command runs in that time */
    bool cold;          /* the VM is one that a job waits for: no preparation beyond what the job needs */
};

/* All times in microseconds, measured here. */
struct task_times {
    uint64_t template_us; /* making the snapshot; 0: none was made */
    uint64_t input_us;    /* writing the input device */
    uint64_t run_us;      /* from `go` to `done` */
    uint64_t exit_us;     /* from `done` until nothing of the VM is left */
    uint64_t parse_us;    /* reading the output */
};

struct task {
    const struct task_settings *settings; /* borrowed */
    const struct task_host *host;         /* borrowed */
    struct machine_host machines;
    struct pe_store_images images; /* owned */
    const struct pe_image *image;  /* in `images` */
    struct vm_snapshot snapshot;   /* owned; only of an engine with snapshots */
    struct machine machine;        /* owned */
    struct pe_parts parts;         /* owned: the job's files */
    struct input input;            /* owned */
    struct output output;          /* owned: the result, after task_run */
    struct task_times times;
};

/* Find the image, and have a snapshot of a VM for it if the engine of `host` has snapshots: that of the
 * settings, or a new one. `*task` borrows both, and must not be copied. Free it also after a failure. Errors
 * are those of pe_store_list, pe_store_find, machine_boot and machine_save; PE_ERR_INVALID if the snapshot of
 * the settings cannot be opened, and PE_ERR_CANCELED after a signal that ends the program. */
int task_open(struct task *task, const struct task_settings *settings, struct task_host *host,
              struct pe_error *err) PE_MUST_CHECK;

/* Start the VM and wait until it is ready, and for settle_ms more. Errors are those of machine_boot,
 * machine_clone and machine_await_ready, and PE_ERR_CANCELED. */
int task_make_vm(struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Wait until a line arrives on standard input. Fails with PE_ERR_CANCELED if that ends, and with PE_ERR_LOST
 * if the VM does. */
int task_hold(struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Run the job in the VM, end the VM, and read the output. PE_ERR_INVALID and PE_ERR_TOO_LARGE if the job or
 * its files are not allowed, PE_ERR_NOT_FOUND if a file is missing, PE_ERR_LOST if the VM or its guest is
 * lost, PE_ERR_TIMEOUT if it does not answer in time, PE_ERR_MALFORMED if its output breaks the contract, and
 * PE_ERR_CANCELED. */
int task_run(struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Kill the VM, if there is one, and free everything. */
void task_free(struct task *task);

/* SIGINT, SIGTERM and SIGHUP end what this file waits for. Call it once, before task_open. Returns what
 * becomes 1 with the first of them. */
const volatile sig_atomic_t *task_catch_signals(void);

#endif
