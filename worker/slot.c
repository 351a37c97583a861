/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a slot: keep a VM warm, offer the slot to the balancers, receive a job, run it, and begin
 * again. What happens between a job's arrival and its result is in worker/job_run.c, and the connections to
 * the balancers are in worker/balancers.c. */
#include "worker/slot.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "proto/slot.h"
#include "store/store.h"
#include "worker/balancers.h"
#include "worker/board.h"
#include "worker/job/machine.h"
#include "worker/job_run.h"
#include "worker/slot_helper.h"
#include "worker/slot_rights.h"
#include "worker/stop_signal.h"
#include "worker/template_client.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#define RETRY_MS 2000u
#define STORE_LOOK_MS 5000u

/* How long a VM that was booted waits for a job before it runs its image's warm-up command. With jobs
 * waiting, the next one arrives sooner, and the command would only use CPU time that the jobs need. */
#define WARM_UP_AFTER_MS 50u

struct slot {
    const struct worker_config *config;
    struct balancers balancers;
    struct template_client start_permit, run_permit;
    struct machine machine;
    char warm_image[PE_IMAGE_NAME_MAX + 1]; /* name of the image that the VM is made for */
    uint64_t make_after_us;                 /* start no VM before, because the last one failed */
    uint64_t warm_up_at_us;                 /* when a VM that is ready runs the warm-up command; 0: never */
};

/* ---- the warm VM ---- */

/* The image to keep warm: that of the last job, else one of --warm, else the first of the store. */
static const struct pe_image *image_to_warm(struct slot *slot, const struct pe_store_images *images)
{
    const struct worker_config *config = slot->config;
    struct pe_error ignored;
    const char *wanted = slot->warm_image;
    if (!wanted[0] && config->warm.count)
        wanted = config->warm.images[config->slot % config->warm.count];
    const struct pe_image *image = wanted[0] ? pe_store_find(images, wanted, &ignored) : NULL;
    return image ? image : images->count ? &images->items[0] : NULL;
}

static int find_image(struct slot *slot, struct pe_store_images *images, const struct pe_image **image,
                      struct pe_error *err)
{
    if (pe_store_list(slot->config->store, images, err) < 0)
        return -1;
    *image = image_to_warm(slot, images);
    if (!*image)
        return pe_fail(err, PE_ERR_NOT_FOUND, "the image store %s is empty; fill it with pe-image",
                       slot->config->store);
    snprintf(slot->warm_image, sizeof slot->warm_image, "%s", (*image)->name);
    return 0;
}

static void retry_later(struct slot *slot, const struct pe_error *err)
{
    pe_log(PE_LOG_ERROR, "%s", err->message);
    template_client_release(&slot->start_permit);
    slot->make_after_us = pe_now_us() + RETRY_MS * 1000;
}

/* Request a VM unless there is one. A failure is logged, and retried after RETRY_MS. */
static void ensure_machine(struct slot *slot)
{
    pe_autostoreimages struct pe_store_images images = {0};
    const struct pe_image *image = NULL;
    struct pe_error err;
    if (slot->machine.vm.pid > 0 || slot->start_permit.requested || pe_now_us() < slot->make_after_us)
        return;
    if (find_image(slot, &images, &image, &err) < 0 ||
        template_client_request_vm(&slot->start_permit, slot->config, image->name, false, &err) < 0)
        retry_later(slot, &err);
}

static int start_machine(struct slot *slot, const struct vm_snapshot *snapshot, struct pe_error *err)
{
    const struct machine_host host = slot_helper_machines(slot->config);
    pe_autostoreimages struct pe_store_images images = {0};
    const struct pe_image *image = NULL;
    if (find_image(slot, &images, &image, err) < 0)
        return -1;
    if (snapshot->memory_fd >= 0 && template_client_matches(&slot->start_permit, image)) {
        int failed = machine_clone(&host, image, snapshot, &slot->machine, err);
        if (failed)
            template_client_report_broken(&slot->start_permit, image->name);
        return failed;
    }
    /* What becomes a template is warm before it is saved. Without templates there is time after `ready`. */
    const bool later = slot->config->warm.no_warm_up || !slot->config->engine.snapshots;
    return machine_boot(&host, image, later ? MACHINE_CONTAINER : MACHINE_WARM, false, &slot->machine, err);
}

/* The permit to start a VM has been granted. */
static void on_start_permit(struct slot *slot)
{
    struct vm_snapshot snapshot;
    struct pe_error err;
    int received = template_client_receive(&slot->start_permit, 0, &snapshot, &err);
    if (received < 0 || (received > 0 && start_machine(slot, &snapshot, &err) < 0))
        retry_later(slot, &err);
    vm_snapshot_close(&snapshot);
}

/* A VM that cannot be prewarmed is used as it is. */
static void prewarm(struct slot *slot)
{
    const struct machine_host host = slot_helper_machines(slot->config);
    pe_autostoreimages struct pe_store_images images = {0};
    const struct pe_image *image = NULL;
    struct pe_error err;
    bool found = find_image(slot, &images, &image, &err) == 0;
    if (found && !machine_is_for(&slot->machine, image))
        return; /* the image was replaced since, so the VM will be replaced as well */
    if (!found || machine_prewarm(&host, image, &slot->machine, &err) < 0)
        pe_log(PE_LOG_WARN, "cannot prewarm the VM for %s: %s", slot->warm_image, err.message);
}

static void send_ready(struct slot *slot)
{
    board_set(slot->config->board, slot->config->slot, slot->machine.ready ? BOARD_READY : BOARD_STARTING);
    balancers_offer(&slot->balancers, slot->machine.ready ? slot->warm_image : "");
}

/* The guest sent something while the slot is idle: `ready`, or the end of its VMM. A lost VM is
 * replaced. */
static void on_guest(struct slot *slot)
{
    struct pe_error fault;
    int received = machine_receive(&slot->machine, "ready", &fault);
    if (received == 0)
        return;
    if (received > 0 && !slot->machine.ready) {
        machine_is_ready(&slot->machine);
        template_client_release(&slot->start_permit);
        pe_log(PE_LOG_INFO, "a VM for %s is warm after %llu ms", slot->warm_image,
               (unsigned long long)(pe_now_us() - slot->machine.started_us) / 1000);
        slot->warm_up_at_us = 0;
        if (slot->machine.clone)
            prewarm(slot);
        else if (!slot->config->warm.no_warm_up)
            slot->warm_up_at_us = pe_now_us() + WARM_UP_AFTER_MS * 1000ull;
        send_ready(slot);
        return;
    }
    pe_log(PE_LOG_ERROR, "the warm VM for %s is lost: %s", slot->warm_image,
           received > 0 ? "the guest sent ready twice" : fault.message);
    machine_discard(&slot->machine);
    template_client_release(&slot->start_permit);
    slot->make_after_us = pe_now_us() + RETRY_MS * 1000;
    send_ready(slot);
}

/* ---- waiting for a job ---- */

/* When the VM of the idle slot is not ready in time, or warms up, or starting one is to be retried; 0: never.
 */
static uint64_t machine_deadline(const struct slot *slot)
{
    if (slot->start_permit.requested)
        return 0;
    if (slot->machine.vm.pid <= 0)
        return slot->make_after_us ? slot->make_after_us : pe_now_us();
    return slot->machine.ready ? slot->warm_up_at_us : slot->machine.started_us + MACHINE_READY_MS * 1000ull;
}

/* When the idle slot has to act. It looks at the store now and then in any case. */
static uint64_t idle_deadline(const struct slot *slot)
{
    uint64_t look_us = pe_now_us() + STORE_LOOK_MS * 1000ull, machine_us = machine_deadline(slot);
    return machine_us && machine_us < look_us ? machine_us : look_us;
}

static void on_idle_deadline(struct slot *slot)
{
    const uint64_t deadline_us = machine_deadline(slot);
    if (slot->machine.vm.pid <= 0 || deadline_us == 0 || pe_now_us() < deadline_us)
        return;
    if (slot->machine.ready) {
        slot->warm_up_at_us = 0;
        pe_log(PE_LOG_DEBUG, "the VM for %s warms up while it waits", slot->warm_image);
        prewarm(slot);
        return;
    }
    pe_log(PE_LOG_ERROR, "a VM for %s did not become ready within %u s", slot->warm_image,
           MACHINE_READY_MS / 1000);
    machine_discard(&slot->machine);
    template_client_release(&slot->start_permit);
}

/* Run the job that a balancer has sent, and offer the slot again. */
static void on_job(struct slot *slot, const struct pe_message *message)
{
    struct pe_error err;
    struct job_run run = {.config = slot->config,
                          .balancer = slot->balancers.busy->client,
                          .start_permit = &slot->start_permit,
                          .run_permit = &slot->run_permit,
                          .machine = &slot->machine,
                          .message = message,
                          .warm_image = slot->warm_image};
    board_set(slot->config->board, slot->config->slot, BOARD_RUNNING);
    int failed = job_run(&run, &err);
    if (failed)
        machine_discard(&slot->machine); /* it may contain half a job */
    balancers_free_slot(&slot->balancers, failed ? &err : NULL);
    if (stop_requested)
        return;
    ensure_machine(slot);
    send_ready(slot);
}

/* Whether this process can go on. If it cannot, the supervisor starts another one. */
static bool is_usable(const struct slot *slot, struct pe_error *err)
{
    if (slot->config->helper->lost)
        pe_fail(err, PE_ERR_LOST, "the helper of this slot has ended or does not answer; both start again");
    else if (!slot_rights_fit_store(slot->config))
        pe_fail(err, PE_ERR_LOST, "the image store %s is another one now; this slot starts again",
                slot->config->store);
    else
        return true;
    return false;
}

static int await_event(struct slot *slot, int fd, enum balancers_event *event, struct pe_error *err)
{
    pe_automessage struct pe_message message = {0};
    if (balancers_wait(&slot->balancers, fd, idle_deadline(slot), event, &message, err) < 0)
        return -1;
    if (*event == BALANCERS_JOB)
        on_job(slot, &message);
    return 0;
}

/* Serve until a stop is requested, or this process cannot go on. */
static int serve(struct slot *slot, struct pe_error *err)
{
    send_ready(slot);
    while (!stop_requested) {
        enum balancers_event event = BALANCERS_STOP;
        ensure_machine(slot);
        if (!is_usable(slot, err))
            return -1;
        const bool requested = slot->start_permit.requested;
        const int fd = requested ? slot->start_permit.fd : slot->machine.vm.serial_fd;
        if (await_event(slot, fd, &event, err) < 0)
            return -1;
        if (event == BALANCERS_DEADLINE)
            on_idle_deadline(slot);
        else if (event == BALANCERS_FD && requested)
            on_start_permit(slot);
        else if (event == BALANCERS_FD)
            on_guest(slot);
    }
    return 0;
}

/* A slot answers while its VM dies, which takes CPU time of the one CPU that a VM of User Mode Linux has. */
static void leave_cpu_to_vm(const struct vm_host *vm)
{
    cpu_set_t allowed;
    if (vm->accel != VM_ACCEL_NONE || vm->cpu >= CPU_SETSIZE ||
        sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    CPU_CLR(vm->cpu, &allowed);
    if (CPU_COUNT(&allowed) > 0 && sched_setaffinity(0, sizeof allowed, &allowed) < 0)
        pe_log(PE_LOG_WARN, "the slot cannot leave CPU %u to its VM: %s", vm->cpu, strerror(errno));
}

int slot_main(const struct worker_config *worker)
{
    struct worker_config config = *worker;
    struct slot_helper helper;
    struct slot slot = {.config = &config,
                        .machine = MACHINE_NONE,
                        .start_permit = TEMPLATE_CLIENT_NONE,
                        .run_permit = TEMPLATE_CLIENT_NONE};
    struct pe_error err;
    prctl(PR_SET_NAME, "pe-slot");
    if (slot_helper_start(&config, &helper, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        return 1;
    }
    leave_cpu_to_vm(&config.vm); /* the helper stays where it may be, and so do the VMs that it starts */
    if (slot_rights_drop(&config, &helper.fd, &err) < 0) {
        pe_log(PE_LOG_ERROR, "%s", err.message);
        return 1;
    }
    config.helper = &helper;
    config.vm.jail = NULL; /* its descriptors are closed */
    balancers_begin(&slot.balancers, &config);
    if (serve(&slot, &err) < 0)
        pe_log(PE_LOG_WARN, "%s", err.message);
    balancers_end(&slot.balancers);
    machine_discard(&slot.machine);
    template_client_close(&slot.start_permit);
    template_client_close(&slot.run_permit);
    return 0;
}
