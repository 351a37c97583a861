/* The steps of one job, in order: input, VM, go, done, output, answer. A fault of the guest or of the job
 * ends in an answer; only a fault of the connection ends the slot's session. */
#include "worker/job_run.h"

#include "base/io.h"
#include "base/log.h"
#include "proto/limits.h"
#include "store/store.h"
#include "worker/bundle.h"
#include "worker/input.h"
#include "worker/metrics.h"
#include "worker/output.h"

#include <string.h>

/* What a guest may take over its job's own timeout: crun's start and the writing of the output, under
 * emulation. */
#define GUEST_GRACE_MS 30000u

/* A VMM that ends so soon after `go` was dying when it came: killed while it was idle, for one. */
#define GO_DOUBT_US 200000u

/* Everything a job needs on the way, and what it took. */
struct job_state {
    struct job_run *run;
    const struct pe_image *image; /* into `images` */
    struct pe_store_images images;
    struct input input;
    struct output output;
    uint64_t go_us; /* when the guest was told to; 0: not yet */
    bool vm_failed; /* a refusal is the VM's fault */
    uint64_t phase_us[PE_PHASES];
};

static void state_free(struct job_state *state)
{
    input_free(&state->input);
    output_free(&state->output);
    pe_store_images_free(&state->images);
}

/* ---- answers ---- */

static int send_message(struct ws_client *balancer, const struct pe_message *message, struct pe_error *err)
{
    pe_autobuf struct pe_buf text = {0};
    if (pe_message_encode(message, &text, err) < 0)
        return -1;
    return ws_client_send(balancer, true, text.data, text.size, err);
}

static int send_error(const struct job_run *run, const struct pe_error *cause, struct pe_error *err)
{
    struct pe_message message = {.kind = PE_MESSAGE_ERROR, .problem = pe_problem_from_error(cause)};
    if (cause->kind == PE_ERR_CANCELED) {
        strcpy(message.problem.type, "canceled");
        strcpy(message.problem.title, "The job was canceled");
    }
    strcpy(message.id, run->message->id);
    pe_log_about(PE_LOG_INFO, message.id, "job: %s", cause->message);
    return send_message(run->balancer, &message, err);
}

static int send_result(struct job_state *state, struct pe_error *err)
{
    const struct job_run *run = state->run;
    const struct pe_buf *bytes = &state->output.bytes;
    struct pe_message message = {
        .kind = PE_MESSAGE_RESULT, .result = state->output.result, .parts = state->output.parts};
    strcpy(message.id, run->message->id);
    if (send_message(run->balancer, &message, err) < 0)
        return -1;
    for (size_t at = 0; at < bytes->size; at += PE_SLOT_BINARY_MAX) {
        size_t left = bytes->size - at;
        size_t size = left < PE_SLOT_BINARY_MAX ? left : PE_SLOT_BINARY_MAX;
        if (ws_client_send(run->balancer, false, bytes->data + at, size, err) < 0)
            return -1;
    }
    message.kind = PE_MESSAGE_END;
    return send_message(run->balancer, &message, err);
}

/* ---- waiting: for the balancer and for the guest ---- */

/* How a step ended that did not go wrong. */
enum step { STEP_DONE, STEP_REFUSED }; /* REFUSED: `cause` says why, and is the answer */

static enum step refuse(struct pe_error *cause, enum pe_error_kind kind, const char *what)
{
    pe_fail(cause, kind, "%s", what);
    return STEP_REFUSED;
}

/* A message during a job can only be `cancel`. */
static int on_message(const struct job_run *run, enum step *step, struct pe_error *cause,
                      struct pe_error *err)
{
    pe_automessage struct pe_message message = {0};
    struct ws_message *raw = ws_client_next(run->balancer);
    int failed = raw->is_text ? pe_message_decode(raw->bytes, raw->size, &message, err)
                              : pe_fail(err, PE_ERR_MALFORMED, "bytes after a job's end");
    free(raw);
    if (failed)
        return -1;
    if (message.kind != PE_MESSAGE_CANCEL)
        return pe_fail(err, PE_ERR_MALFORMED, "an unexpected message during a job");
    if (!strcmp(message.id, run->message->id))
        *step = refuse(cause, PE_ERR_CANCELED, "nobody waits for the result any more");
    return 0;
}

/* Until the guest says `word` or the deadline passes. Negative only for the connection. */
static int await_guest(const struct job_run *run, const char *word, uint64_t deadline_us, enum step *step,
                       struct pe_error *cause, struct pe_error *err)
{
    *step = STEP_DONE;
    for (;;) {
        int heard = machine_receive(run->machine, word, cause);
        if (heard > 0)
            return 0;
        if (heard < 0)
            return *step = STEP_REFUSED, 0;
        enum ws_client_event event;
        if (ws_client_wait(run->balancer, run->machine->vm.serial_fd, deadline_us, false, &event, err) < 0)
            return -1;
        if (event == WS_CLIENT_DEADLINE) {
            *step = refuse(cause, PE_ERR_INTERNAL, "the guest did not answer in time");
            return 0;
        }
        if (event == WS_CLIENT_MESSAGE && on_message(run, step, cause, err) < 0)
            return -1;
        if (*step == STEP_REFUSED)
            return 0;
    }
}

/* ---- the input ---- */

static int append_bytes(struct job_state *state, const struct ws_message *raw, enum step *step,
                        struct pe_error *cause)
{
    if (*step == STEP_DONE && input_append(&state->input, raw->bytes, raw->size, cause) < 0)
        *step = STEP_REFUSED;
    return 0;
}

/* Read the job's bytes up to `end`, straight into the device; when the job is refused already, past it. */
static int receive_input(struct job_state *state, enum step *step, struct pe_error *cause,
                         struct pe_error *err)
{
    const struct job_run *run = state->run;
    for (bool ended = false; !ended;) {
        enum ws_client_event event;
        if (ws_client_wait(run->balancer, -1, 0, false, &event, err) < 0)
            return -1;
        pe_automessage struct pe_message message = {0};
        struct ws_message *raw = ws_client_next(run->balancer);
        int failed = raw->is_text ? pe_message_decode(raw->bytes, raw->size, &message, err)
                                  : append_bytes(state, raw, step, cause);
        bool is_text = raw->is_text;
        free(raw);
        if (failed)
            return -1;
        if (!is_text)
            continue;
        if (message.kind == PE_MESSAGE_CANCEL) {
            *step = refuse(cause, PE_ERR_CANCELED, "nobody waits for the result any more");
            return 0;
        }
        if (message.kind != PE_MESSAGE_END)
            return pe_fail(err, PE_ERR_MALFORMED, "an unexpected message among a job's bytes");
        ended = true;
    }
    return 0;
}

static enum step finish_input(struct job_state *state, struct pe_error *cause)
{
    const struct job_run *run = state->run;
    const struct pe_job_spec *job = &run->message->job;
    const struct pe_image_user *user = &state->image->user;
    autoinputtexts struct input_texts texts = {.uid = user->uid, .gid = user->gid};
    if (bundle_config(BUNDLE_JOB, state->image, run->config->memory_mib, &texts.config, cause) < 0 ||
        bundle_program(job, state->image, &run->message->parts, &texts.program, cause) < 0 ||
        bundle_job(job, run->config->new_containers ? "new_container" : NULL, &texts.job, cause) < 0 ||
        input_finish(&state->input, &texts, cause) < 0)
        return STEP_REFUSED;
    return STEP_DONE;
}

/* ---- the VM ---- */

/* How long the templates' process may take to answer; it always has an answer. */
#define TEMPLATE_ANSWER_MS 5000

/* A VM for the job, as soon as can be: a clone, or a bare boot. Without an answer it is a boot as well. */
static int make_machine(struct job_state *state, struct pe_error *cause)
{
    const struct job_run *run = state->run;
    struct vm_snapshot snapshot = VM_SNAPSHOT_NONE;
    struct pe_error ignored;
    template_client_release(run->start_permit);
    if (template_client_request_vm(run->start_permit, run->config, state->image->name, true, &ignored) == 0 &&
        template_client_receive(run->start_permit, TEMPLATE_ANSWER_MS, &snapshot, &ignored) < 0)
        pe_log(PE_LOG_WARN, "%s", ignored.message);
    int failed = -1;
    if (snapshot.memory_fd >= 0 && template_client_matches(run->start_permit, state->image) &&
        (failed = machine_clone(run->config, state->image, &snapshot, run->machine, cause)) < 0) {
        pe_log(PE_LOG_WARN, "%s", cause->message);
        template_client_report_broken(run->start_permit, state->image->name);
    }
    if (failed)
        failed = machine_boot(run->config, state->image, MACHINE_BARE, false, run->machine, cause);
    vm_snapshot_close(&snapshot);
    return failed;
}

/* The slot's VM, when it has the job's rootfs; else a new one. */
static enum step choose_machine(struct job_state *state, struct pe_error *cause)
{
    struct job_run *run = state->run;
    if (pe_store_list(run->config->store, &state->images, cause) < 0)
        return STEP_REFUSED;
    state->image = pe_store_find(&state->images, run->message->job.image, cause);
    if (!state->image)
        return STEP_REFUSED;
    strcpy(run->warm_image, state->image->name);
    if (machine_is_for(run->machine, state->image))
        return STEP_DONE;
    machine_discard(run->machine);
    return make_machine(state, cause) < 0 ? STEP_REFUSED : STEP_DONE;
}

static int await_one(struct job_state *state, enum step *step, struct pe_error *cause, struct pe_error *err)
{
    struct machine *machine = state->run->machine;
    *step = STEP_DONE;
    if (!machine->ready &&
        await_guest(state->run, "ready", pe_now_us() + MACHINE_READY_MS * 1000ull, step, cause, err) < 0)
        return -1;
    if (!machine->ready && *step == STEP_DONE)
        machine_is_ready(machine);
    return 0;
}

/* A VM that is lost before it was ready has seen nothing of the job: a second one is booted for it. */
static int await_ready(struct job_state *state, enum step *step, struct pe_error *cause, struct pe_error *err)
{
    const struct job_run *run = state->run;
    if (await_one(state, step, cause, err) < 0)
        return -1;
    template_client_release(run->start_permit);
    if (*step == STEP_DONE || cause->kind == PE_ERR_CANCELED)
        return 0;
    pe_log_about(PE_LOG_WARN, run->message->id, "the job's VM is lost, and another booted: %s",
                 cause->message);
    if (machine_boot_again(run->config, state->image, run->machine, cause) < 0)
        return 0;
    return await_one(state, step, cause, err);
}

/* On a host with more slots than jobs run at once, a job waits for its turn here, ready to run. Without the
 * process that gives turns it runs. */
static int await_turn(struct job_state *state, enum step *step, struct pe_error *cause, struct pe_error *err)
{
    const struct job_run *run = state->run;
    struct vm_snapshot none;
    struct pe_error ignored;
    *step = STEP_DONE;
    if (!run->config->ahead || template_client_request_run(run->run_permit, run->config, &ignored) < 0)
        return 0;
    while (*step == STEP_DONE) {
        enum ws_client_event event;
        if (ws_client_wait(run->balancer, run->run_permit->fd, 0, false, &event, err) < 0)
            return -1;
        if (event == WS_CLIENT_FD && template_client_receive(run->run_permit, 0, &none, &ignored) != 0)
            return 0;
        if (event == WS_CLIENT_MESSAGE && on_message(run, step, cause, err) < 0)
            return -1;
    }
    return 0;
}

/* From `go` to `done`; then the VM dies, so that nothing changes under the reader of its output. */
static int run_guest(struct job_state *state, enum step *step, struct pe_error *cause, struct pe_error *err)
{
    struct job_run *run = state->run;
    uint64_t deadline_us = pe_now_us() + (run->message->job.timeout_ms + GUEST_GRACE_MS) * 1000ull;
    state->go_us = pe_now_us();
    *step = machine_go(run->machine, cause) < 0 ? STEP_REFUSED : STEP_DONE;
    if (*step == STEP_DONE && await_guest(run, "done", deadline_us, step, cause, err) < 0)
        return -1;
    machine_kill(run->machine);
    template_client_release(run->run_permit);
    return 0;
}

/* ---- the result ---- */

/* A guest that fails or lies still gets its job an answer: vm_error, with the reason. */
static void result_of_failed_vm(struct job_state *state, const struct pe_error *cause)
{
    struct pe_error ignored;
    output_free(&state->output);
    state->output.result = (struct pe_result){.status = PE_STATUS_VM_ERROR, .exit_code = -1};
    snprintf(state->output.result.reason, sizeof state->output.result.reason, "%.*s",
             (int)sizeof state->output.result.reason - 1, cause->message);
    if (pe_parts_add(&state->output.parts, PE_PART_STDOUT, NULL, 0, 0, &ignored) < 0 ||
        pe_parts_add(&state->output.parts, PE_PART_STDERR, NULL, 0, 0, &ignored) < 0)
        pe_log(PE_LOG_ERROR, "%s", ignored.message);
}

/* What the guest says of its own steps is at most what we measured between `go` and `done`. */
static void settle_steps(const struct job_state *state, uint64_t step_us[PE_STEPS])
{
    static const enum pe_step guests[] = {PE_STEP_EXEC, PE_STEP_PROGRAM, PE_STEP_OUTPUT};
    const struct machine *machine = state->run->machine;
    uint64_t left_us = state->phase_us[PE_PHASE_RUN];
    for (size_t i = 0; i < sizeof guests / sizeof *guests; i++) {
        uint64_t *us = &step_us[guests[i]];
        *us = *us < left_us ? *us : left_us;
        left_us -= *us;
    }
    step_us[PE_STEP_GO] = left_us;
    step_us[PE_STEP_SPAWN] = machine->spawn_us;
    step_us[PE_STEP_RESTORE] = machine->restore_us;
    step_us[PE_STEP_READY] = machine->ready_us;
    step_us[PE_STEP_INPUT] = state->phase_us[PE_PHASE_INPUT];
    step_us[PE_STEP_PARSE] = state->phase_us[PE_PHASE_OUTPUT];
}

static void complete_result(struct job_state *state)
{
    struct pe_result *result = &state->output.result;
    snprintf(result->image, sizeof result->image, "%s", state->image->name);
    snprintf(result->image_digest, sizeof result->image_digest, "%s", state->image->digest);
    settle_steps(state, result->step_us);
    /* Between `go` and `done` the guest also wrote its output. */
    uint64_t writing_us = result->step_us[PE_STEP_OUTPUT];
    state->phase_us[PE_PHASE_RUN] -= writing_us;
    state->phase_us[PE_PHASE_OUTPUT] += writing_us;
    memcpy(result->phase_us, state->phase_us, sizeof result->phase_us);
    result->phase_us[PE_PHASE_QUEUE] = state->run->message->queue_us;
}

/* Adds the time since `*since_us`, which it moves to now. */
static void note_phase(struct job_state *state, enum pe_phase phase, uint64_t *since_us)
{
    uint64_t now = pe_now_us();
    state->phase_us[phase] += now - *since_us;
    *since_us = now;
}

/* From a VM that may not be ready yet to the end of its work. */
static int run_in_vm(struct job_state *state, enum step *step, struct pe_error *cause, struct pe_error *err)
{
    uint64_t since_us = pe_now_us();
    if (await_ready(state, step, cause, err) < 0)
        return -1;
    state->vm_failed = *step == STEP_REFUSED && cause->kind != PE_ERR_CANCELED;
    if (*step == STEP_DONE && await_turn(state, step, cause, err) < 0)
        return -1;
    note_phase(state, PE_PHASE_VM, &since_us);
    if (*step == STEP_DONE) /* not before: the guest's clock is set by it */
        *step = finish_input(state, cause);
    note_phase(state, PE_PHASE_INPUT, &since_us);
    if (*step == STEP_REFUSED)
        return 0;
    if (run_guest(state, step, cause, err) < 0)
        return -1;
    state->vm_failed = *step == STEP_REFUSED && cause->kind != PE_ERR_CANCELED;
    note_phase(state, PE_PHASE_RUN, &since_us);
    return 0;
}

/* Whether the VM was lost when the job came: another may have it. */
static bool is_unbegun(const struct job_state *state, const struct pe_error *cause)
{
    return state->vm_failed && cause->kind == PE_ERR_LOST && state->go_us &&
           pe_now_us() - state->go_us < GO_DOUBT_US;
}

/* The VM's work, and its output read. Refused: the job was canceled, or cannot be run as it is. */
static int run_prepared(struct job_state *state, enum step *step, struct pe_error *cause,
                        struct pe_error *err)
{
    const struct job_run *run = state->run;
    if (run_in_vm(state, step, cause, err) < 0)
        return -1;
    if (is_unbegun(state, cause)) {
        pe_log_about(PE_LOG_WARN, run->message->id, "the job's VM is lost, and another booted: %s",
                     cause->message);
        if (machine_boot_again(run->config, state->image, run->machine, cause) == 0 &&
            run_in_vm(state, step, cause, err) < 0)
            return -1;
    }
    if (*step == STEP_REFUSED && !state->vm_failed)
        return 0;
    uint64_t since_us = pe_now_us();
    if (*step == STEP_REFUSED ||
        output_read(run->machine->output.bytes, run->machine->output.size, &state->output, cause) < 0)
        result_of_failed_vm(state, cause);
    *step = STEP_DONE;
    note_phase(state, PE_PHASE_OUTPUT, &since_us);
    return 0;
}

int job_run(struct job_run *run, struct pe_error *err)
{
    __attribute__((cleanup(state_free))) struct job_state state = {.run = run};
    const struct pe_message *message = run->message;
    struct pe_error cause;
    uint64_t since_us = pe_now_us();
    enum step step = choose_machine(&state, &cause);
    if (step == STEP_DONE &&
        input_begin(&state.input, &run->machine->input, &message->parts, message->job.stdin_name, &cause) < 0)
        step = STEP_REFUSED;
    if (receive_input(&state, &step, &cause, err) < 0)
        return -1;
    note_phase(&state, PE_PHASE_INPUT, &since_us);
    if (step == STEP_DONE && run_prepared(&state, &step, &cause, err) < 0)
        return -1;
    template_client_release(run->run_permit);
    if (step == STEP_REFUSED) {
        machine_discard(run->machine); /* its devices may hold half a job */
        return send_error(run, &cause, err);
    }
    complete_result(&state);
    metrics_count(run->config->metrics, &state.output.result);
    machine_discard(run->machine);
    pe_log_about(PE_LOG_INFO, message->id, "job: %s, %s after %llu ms", message->job.image,
                 pe_status_name(state.output.result.status),
                 (unsigned long long)state.phase_us[PE_PHASE_RUN] / 1000);
    return send_result(&state, err);
}
