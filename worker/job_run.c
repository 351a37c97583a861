/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a job, in order: choose a VM, receive the input, wait for the VM and for the permit
 * to run, `go`, `done`, read the output, send the result. If the guest or the job is at fault, the
 * balancer gets an answer. Only a fault of the connection to the balancer ends the slot's session.
 */
#include "worker/job_run.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "store/store.h"
#include "worker/job/bundle.h"
#include "worker/job/input.h"
#include "worker/job/output.h"
#include "worker/live_relay.h"
#include "worker/metrics.h"
#include "worker/slot_helper.h"

#include <string.h>

/* What a guest may take beyond its job's timeout: starting crun and writing the output, under
 * emulation. */
#define GUEST_GRACE_MS 30000u

/* If a VMM ends within this time after `go`, it was dying before: somebody killed it while it was
 * idle. */
#define GO_DOUBT_US 200000u

/* How often a job looks up its image if the image is replaced all the time. */
#define IMAGE_LOOKUPS 5

/* The largest output that is copied before it is read, in bytes. Copying so much takes less time than the end
 * of a VM. */
#define COPIED_OUTPUT_MAX (1u << 20)

/* How a step ended. */
enum step {
    STEP_OK,
    STEP_REFUSED,      /* the job cannot be run, or not to its end; the error is the answer */
    STEP_DISCONNECTED, /* the connection to the balancer cannot be used; the error says why */
};

/* What a job uses and produces on its way. */
struct job_state {
    struct job_run *run;
    struct pe_store_images images;
    const struct pe_image *image; /* the job's image, in `images` */
    struct input input;
    struct output output;
    uint64_t go_us; /* when the guest was told to start; 0: not yet */
    bool vm_failed; /* the last refusal is the VM's fault */
    bool vm_lost;   /* the VM died or could not be started, which says nothing about the job */
    uint64_t phase_us[PE_PHASES];
    struct live_relay live;
};

static void state_free(struct job_state *state)
{
    live_relay_free(&state->live);
    input_free(&state->input);
    output_free(&state->output);
    pe_store_images_free(&state->images);
}

static enum step refuse_canceled(struct pe_error *err)
{
    pe_fail(err, PE_ERR_CANCELED, "the balancer canceled the job");
    return STEP_REFUSED;
}

/* Until when so many bytes must have passed the link to the balancer. */
static uint64_t link_deadline(uint64_t bytes)
{
    return pe_now_us() + PE_SLOT_GRACE_US + pe_slot_transfer_us(bytes);
}

/* ---- sending answers ---- */

static int send_message(struct ws_client *balancer, const struct pe_message *message, uint64_t deadline_us,
                        struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_message_encode(message, &text, err) < 0)
        return -1;
    return ws_client_send(balancer, true, text.data, text.size, deadline_us, err);
}

/* Send `err`, the reason of a refusal, as the answer. */
static int send_error(const struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    struct pe_message message = {.kind = PE_MESSAGE_ERROR, .problem = pe_problem_from_error(err)};
    if (err->kind == PE_ERR_CANCELED) {
        strcpy(message.problem.type, "canceled");
        strcpy(message.problem.title, "The job was canceled");
    }
    if (state->vm_lost) {
        strcpy(message.problem.type, PE_SLOT_VM_LOST);
        strcpy(message.problem.title, "The VM was lost");
        message.problem.status = 503;
    }
    strcpy(message.id, run->message->id);
    pe_log_about(PE_LOG_INFO, message.id, "job refused: %s", err->message);
    return send_message(run->balancer, &message, link_deadline(0), err);
}

static int send_result(const struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct pe_buf *bytes = &state->output.bytes;
    const uint64_t deadline_us = link_deadline(bytes->size);
    struct pe_message message = {
        .kind = PE_MESSAGE_RESULT, .result = state->output.result, .parts = state->output.parts};
    strcpy(message.id, run->message->id);
    if (send_message(run->balancer, &message, deadline_us, err) < 0)
        return -1;
    for (size_t at = 0; at < bytes->size; at += PE_SLOT_BINARY_MAX) {
        size_t left = bytes->size - at;
        size_t size = left < PE_SLOT_BINARY_MAX ? left : PE_SLOT_BINARY_MAX;
        if (ws_client_send(run->balancer, false, bytes->data + at, size, deadline_us, err) < 0)
            return -1;
    }
    message.kind = PE_MESSAGE_END;
    return send_message(run->balancer, &message, deadline_us, err);
}

/* ---- waiting for the guest and the balancer at the same time ---- */

/* While a job runs, `cancel` may arrive, and the messages of live jobs. */
static enum step on_message(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    pe_automessage struct pe_message message = {0};
    struct pe_websocket_message *raw = ws_client_next(run->balancer);
    int failed = raw->is_text ? pe_message_decode(raw->bytes, raw->size, &message, err)
                              : live_relay_on_bytes(&state->live, raw->bytes, raw->size, err);
    bool is_text = raw->is_text;
    free(raw);
    if (failed)
        return STEP_DISCONNECTED;
    if (!is_text || strcmp(message.id, run->message->id) != 0)
        return STEP_OK;
    if (message.kind == PE_MESSAGE_CANCEL)
        return refuse_canceled(err);
    return live_relay_on_message(&state->live, &message, err) < 0 ? STEP_DISCONNECTED : STEP_OK;
}

/* Read from the guest, unless that pauses. Returns 1 if it sent the line `expected`, and 0 if not. Fails as
 * machine_receive does. */
static int hear_guest(struct job_state *state, const char *expected, struct pe_error *err)
{
    int received = live_relay_listens(&state->live) ? machine_receive(state->run->machine, expected, err) : 0;
    if (received != MACHINE_LIVE)
        return received;
    live_relay_on_doorbell(&state->live);
    return 0;
}

/* Wait for the balancer, for the guest, and for the time when live data has to be moved. `expected` is the
 * line that the guest has to send until `deadline_us`. */
static enum step await_either(struct job_state *state, const char *expected, uint64_t deadline_us,
                              struct pe_error *err)
{
    const struct job_run *run = state->run;
    const uint64_t live_us = live_relay_deadline(&state->live);
    const uint64_t wake_us = live_us && live_us < deadline_us ? live_us : deadline_us;
    const int fd = live_relay_listens(&state->live) ? run->machine->vm.serial_fd : -1;
    enum ws_client_event event;
    if (ws_client_wait(run->balancer, fd, wake_us, false, &event, err) < 0)
        return STEP_DISCONNECTED;
    if (pe_now_us() >= deadline_us) { /* a balancer that sends messages without a pause hides this event */
        pe_fail(err, PE_ERR_INTERNAL, "the guest did not send '%s' in time", expected);
        return STEP_REFUSED;
    }
    return event == WS_CLIENT_MESSAGE ? on_message(state, err) : STEP_OK;
}

/* Wait until the guest sends the line `expected`, or `deadline_us` passes. */
static enum step await_guest(struct job_state *state, const char *expected, uint64_t deadline_us,
                             struct pe_error *err)
{
    for (;;) {
        int received = hear_guest(state, expected, err);
        if (received)
            return received > 0 ? STEP_OK : STEP_REFUSED;
        if (live_relay_pump(&state->live, err) < 0)
            return STEP_DISCONNECTED;
        enum step step = await_either(state, expected, deadline_us, err);
        if (step != STEP_OK)
            return step;
    }
}

/* ---- the input ---- */

/* Read the job's bytes up to `end`, straight into the device. If the job has been refused before,
 * as `step` and `err` say, its bytes are dropped and the refusal is returned. */
static enum step receive_input(struct job_state *state, enum step step, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const uint64_t size = pe_parts_size(&run->message->parts);
    const uint64_t deadline_us = link_deadline(size < PE_INPUT_BYTES_MAX ? size : PE_INPUT_BYTES_MAX);
    for (;;) {
        enum ws_client_event event;
        if (ws_client_wait(run->balancer, -1, deadline_us, false, &event, err) < 0)
            return STEP_DISCONNECTED;
        if (pe_now_us() >= deadline_us) { /* it may send messages without a pause, which hide this event */
            pe_fail(err, PE_ERR_TIMEOUT, "the balancer has begun a job and does not send its bytes");
            return STEP_DISCONNECTED;
        }
        pe_automessage struct pe_message message = {0};
        struct pe_websocket_message *raw = ws_client_next(run->balancer);
        bool is_text = raw->is_text;
        int failed = is_text ? pe_message_decode(raw->bytes, raw->size, &message, err) : 0;
        if (!is_text && step == STEP_OK && input_append(&state->input, raw->bytes, raw->size, err) < 0)
            step = STEP_REFUSED;
        free(raw);
        if (failed)
            return STEP_DISCONNECTED;
        if (!is_text)
            continue;
        if (message.kind == PE_MESSAGE_CANCEL)
            return refuse_canceled(err);
        if (message.kind == PE_MESSAGE_END)
            return step;
        pe_fail(err, PE_ERR_MALFORMED, "the balancer sent an unexpected message among the bytes of a job");
        return STEP_DISCONNECTED;
    }
}

static enum step finish_input(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct worker_config *config = run->config;
    autoinputtexts struct input_texts texts = {0};
    if (bundle_texts(&run->message->job, &run->message->input, state->image, &run->message->parts,
                     config->memory_mib, config->warm.new_containers, &texts, err) < 0 ||
        input_finish(&state->input, &texts, err) < 0)
        return STEP_REFUSED;
    return STEP_OK;
}

/* ---- the VM ---- */

/* Start a VM for the job as soon as possible: a clone, or a boot without any preparation. If the
 * template server does not answer, the VM boots. */
static int start_machine(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct machine_host host = slot_helper_machines(run->config);
    struct vm_snapshot snapshot = VM_SNAPSHOT_NONE;
    template_client_release(run->start_permit);
    if (template_client_request_vm(run->start_permit, run->config, state->image->name, true, err) < 0 ||
        template_client_receive(run->start_permit, TEMPLATE_ANSWER_MS, &snapshot, err) < 0)
        pe_log(PE_LOG_WARN, "%s", err->message);
    int failed = -1;
    if (snapshot.memory_fd >= 0 && template_client_matches(run->start_permit, state->image)) {
        failed = machine_clone(&host, state->image, &snapshot, run->machine, err);
        if (failed) {
            pe_log(PE_LOG_WARN, "%s", err->message);
            template_client_report_broken(run->start_permit, state->image->name);
        }
    }
    if (failed)
        failed = machine_boot(&host, state->image, MACHINE_BARE, false, run->machine, err);
    vm_snapshot_close(&snapshot);
    return failed;
}

static enum step find_image(struct job_state *state, struct pe_error *err)
{
    struct job_run *run = state->run;
    pe_store_images_free(&state->images);
    if (pe_store_list(run->config->store, &state->images, err) < 0)
        return STEP_REFUSED;
    state->image = pe_store_find(&state->images, run->message->job.image, err);
    if (!state->image)
        return STEP_REFUSED;
    strcpy(run->warm_image, state->image->name);
    return STEP_OK;
}

/* Use the slot's VM if it has the rootfs of the job's image, and start another one if it has not.
 * An image can be replaced after its catalog entry was read and before its rootfs is opened. The
 * name is then looked up again. */
static enum step choose_machine(struct job_state *state, struct pe_error *err)
{
    struct job_run *run = state->run;
    for (int lookup = 1;; lookup++) {
        if (find_image(state, err) != STEP_OK)
            return STEP_REFUSED;
        if (machine_is_for(run->machine, state->image))
            return STEP_OK;
        machine_discard(run->machine);
        if (start_machine(state, err) == 0)
            return STEP_OK;
        if (err->kind != PE_ERR_NOT_FOUND || lookup == IMAGE_LOOKUPS) {
            state->vm_lost = true;
            return STEP_REFUSED;
        }
    }
}

static enum step await_ready_line(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    if (run->machine->ready)
        return STEP_OK;
    enum step step = await_guest(state, "ready", pe_now_us() + MACHINE_READY_MS * 1000ull, err);
    if (step == STEP_OK)
        machine_is_ready(run->machine);
    return step;
}

/* For the log. */
static const char *trace_id(const struct job_run *run)
{
    return pe_trace_is_set(&run->message->trace) ? run->message->trace.trace_id : NULL;
}

/* Replace a VM that is lost by one that boots; `err` says why it is lost. */
static enum step replace_machine(const struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    pe_log_traced(PE_LOG_WARN, run->message->id, trace_id(run),
                  "the job's VM is lost, another one is booted: %s", err->message);
    const struct machine_host host = slot_helper_machines(run->config);
    return machine_boot_again(&host, state->image, run->machine, err) < 0 ? STEP_REFUSED : STEP_OK;
}

/* A VM that is lost before it was ready has seen nothing of the job, so a second one may be booted.
 */
static enum step await_ready(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    enum step step = await_ready_line(state, err);
    if (step == STEP_DISCONNECTED)
        return step;
    template_client_release(run->start_permit);
    if (step == STEP_OK || err->kind == PE_ERR_CANCELED)
        return step;
    step = replace_machine(state, err);
    return step == STEP_OK ? await_ready_line(state, err) : step;
}

/* Whether the job still has to wait for the permit to run, and when to look again. Fails if there is no
 * template server that could grant it. */
static int wants_run_permit(struct template_client *permit, uint64_t *again_us, struct pe_error *err)
{
    struct vm_snapshot none;
    int received = template_client_receive(permit, 0, &none, err);
    if (received != 0)
        return received < 0 ? -1 : 0;
    return template_client_go_on_waiting(permit, again_us, err) < 0 ? -1 : 1;
}

/* If the worker has more slots than jobs run at the same time (--ahead), the job waits here, ready
 * to run. Without a template server that could grant the permit, it runs: more jobs than intended share the
 * CPUs then, which is better than one that waits for a server that was stopped. */
static enum step await_run_permit(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    struct pe_error fault;
    uint64_t again_us = 0;
    if (!run->config->ahead)
        return STEP_OK;
    int wants = template_client_request_run(run->run_permit, run->config, &fault);
    if (wants == 0)
        wants = wants_run_permit(run->run_permit, &again_us, &fault);
    while (wants > 0) {
        enum ws_client_event event;
        if (ws_client_wait(run->balancer, run->run_permit->fd, again_us, false, &event, err) < 0)
            return STEP_DISCONNECTED;
        enum step step = event == WS_CLIENT_MESSAGE ? on_message(state, err) : STEP_OK;
        if (step != STEP_OK)
            return step;
        /* After each event: a balancer that sends messages without a pause hides that the permit is there. */
        wants = wants_run_permit(run->run_permit, &again_us, &fault);
    }
    if (wants < 0)
        pe_log_traced(PE_LOG_WARN, run->message->id, trace_id(run), "the job runs without a permit: %s",
                      fault.message);
    return STEP_OK;
}

/* From `go` to `done`. Then the VM has to die: read_output says when. */
static enum step run_guest(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    uint64_t deadline_us = pe_now_us() + (run->message->job.timeout_ms + GUEST_GRACE_MS) * 1000ull;
    state->go_us = pe_now_us();
    enum step step = machine_go(run->machine, err) < 0 ? STEP_REFUSED : STEP_OK;
    live_relay_start(&state->live);
    if (step == STEP_OK)
        step = await_guest(state, "done", deadline_us, err);
    if (step == STEP_DISCONNECTED)
        return step;
    machine_begin_kill(run->machine);
    template_client_release(run->run_permit);
    return step;
}

/* ---- the result ---- */

/* A job whose guest fails or breaks the contract gets a result as well: vm_error, with the reason.
 */
static void write_vm_error(struct job_state *state, const struct pe_error *cause)
{
    struct pe_error fault;
    output_free(&state->output);
    state->output.result = (struct pe_result){.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    snprintf(state->output.result.reason, sizeof state->output.result.reason, "%.*s",
             (int)sizeof state->output.result.reason - 1, cause->message);
    if (pe_parts_add(&state->output.parts, PE_PART_STDOUT, NULL, 0, 0, &fault) < 0 ||
        pe_parts_add(&state->output.parts, PE_PART_STDERR, NULL, 0, 0, &fault) < 0)
        pe_log(PE_LOG_ERROR, "%s", fault.message);
}

static void complete_result(struct job_state *state)
{
    struct pe_result *result = &state->output.result;
    snprintf(result->image, sizeof result->image, "%s", state->image->name);
    snprintf(result->image_digest, sizeof result->image_digest, "%s", state->image->digest);
    result->isolation = vm_isolation(state->run->config->vm.accel);
    machine_settle_steps(state->run->machine, state->phase_us[PE_PHASE_RUN], result->step_us);
    result->step_us[PE_STEP_INPUT] = state->phase_us[PE_PHASE_INPUT];
    result->step_us[PE_STEP_PARSE] = state->phase_us[PE_PHASE_OUTPUT];
    /* The guest writes its output before `done`, but that time belongs to the output phase. */
    uint64_t writing_us = result->step_us[PE_STEP_OUTPUT];
    state->phase_us[PE_PHASE_RUN] -= writing_us;
    state->phase_us[PE_PHASE_OUTPUT] += writing_us;
    memcpy(result->phase_us, state->phase_us, sizeof result->phase_us);
    result->phase_us[PE_PHASE_QUEUE] = state->run->message->queue_us;
}

/* Add the time since `*since_us` to a phase, and set `*since_us` to now. */
static void add_phase(struct job_state *state, enum pe_phase phase, uint64_t *since_us)
{
    uint64_t now = pe_now_us();
    state->phase_us[phase] += now - *since_us;
    *since_us = now;
}

/* ---- the job ---- */

static void note_vm_failure(struct job_state *state, enum step step, const struct pe_error *err)
{
    state->vm_failed = step == STEP_REFUSED && err->kind != PE_ERR_CANCELED;
}

/* From a VM that may not be ready yet to the end of its work. */
static enum step run_in_vm(struct job_state *state, struct pe_error *err)
{
    uint64_t since_us = pe_now_us();
    enum step step = await_ready(state, err);
    note_vm_failure(state, step, err);
    state->vm_lost = state->vm_failed; /* the job has not begun */
    if (step == STEP_OK)
        step = await_run_permit(state, err);
    add_phase(state, PE_PHASE_VM, &since_us);
    if (step == STEP_OK) /* as late as possible, because it carries the time for the guest's clock */
        step = finish_input(state, err);
    add_phase(state, PE_PHASE_INPUT, &since_us);
    if (step != STEP_OK)
        return step;
    step = run_guest(state, err);
    note_vm_failure(state, step, err);
    add_phase(state, PE_PHASE_RUN, &since_us);
    return step;
}

/* Whether the VM was lost before the job had an effect in it, so that another VM may run the job.
 */
static bool was_lost_before_go(const struct job_state *state, const struct pe_error *err)
{
    return state->vm_failed && err->kind == PE_ERR_LOST && state->go_us &&
           pe_now_us() - state->go_us < GO_DOUBT_US;
}

/* Read the output of a VM that is about to die. It must not change while it is read. So a small output is
 * copied, and the client need not wait until all processes and memory of the VM are gone. A large one is read
 * after that, where it is. */
static int read_output(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct output_limits limits = {pe_job_spec_stdout_max(&run->message->job),
                                         pe_job_spec_stderr_max(&run->message->job)};
    const struct memfile *device = &run->machine->output;
    pe_autobuf struct pe_buf copy = {0};
    int copied = memfile_copy_small(device, COPIED_OUTPUT_MAX, &copy, err);
    if (copied < 0)
        return -1;
    if (copied)
        return output_read(copy.data, copy.size, &limits, &state->output, err);
    machine_kill(run->machine);
    return output_read(device->bytes, device->size, &limits, &state->output, err);
}

/* Run the job and read its output. A refusal means that the job was canceled, cannot be run as it is, or
 * lost its VM. A guest that breaks its contract or does not answer becomes a result. */
static enum step run_and_read(struct job_state *state, struct pe_error *err)
{
    enum step step = run_in_vm(state, err);
    if (step == STEP_REFUSED && was_lost_before_go(state, err) && live_relay_restart(&state->live)) {
        step = replace_machine(state, err);
        state->vm_lost = step != STEP_OK;
        if (step == STEP_OK)
            step = run_in_vm(state, err);
    }
    state->vm_lost |= step == STEP_REFUSED && state->vm_failed && err->kind == PE_ERR_LOST;
    if (step == STEP_DISCONNECTED || (step == STEP_REFUSED && !state->vm_failed) || state->vm_lost)
        return step;
    uint64_t since_us = pe_now_us();
    if (step == STEP_REFUSED || read_output(state, err) < 0)
        write_vm_error(state, err);
    add_phase(state, PE_PHASE_OUTPUT, &since_us);
    return STEP_OK;
}

/* Everything up to the result in state->output. */
static enum step run_steps(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct pe_message *message = run->message;
    uint64_t since_us = pe_now_us();
    enum step step = choose_machine(state, err);
    if (step == STEP_OK &&
        input_begin(&state->input, &run->machine->input, &message->parts, message->job.stdin_name, err) < 0)
        step = STEP_REFUSED;
    step = receive_input(state, step, err);
    add_phase(state, PE_PHASE_INPUT, &since_us);
    return step == STEP_OK ? run_and_read(state, err) : step;
}

int job_run(struct job_run *run, struct pe_error *err)
{
    __attribute__((cleanup(state_free))) struct job_state state = {.run = run};
    live_relay_begin(&state.live, run->balancer, run->machine, run->message);
    enum step step = run_steps(&state, err);
    if (step == STEP_DISCONNECTED)
        return -1;
    template_client_release(run->run_permit);
    if (step == STEP_REFUSED) {
        machine_discard(run->machine); /* its devices may hold half a job */
        return send_error(&state, err);
    }
    complete_result(&state);
    metrics_count(run->config->metrics, &state.output.result);
    pe_log_traced(PE_LOG_INFO, run->message->id, trace_id(run), "job: %s, %s after %llu ms",
                  run->message->job.image, pe_status_name(state.output.result.status),
                  (unsigned long long)state.phase_us[PE_PHASE_RUN] / 1000);
    int sent = send_result(&state, err);
    machine_discard(run->machine);
    return sent;
}
