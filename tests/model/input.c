/* SPDX-License-Identifier: Apache-2.0 */
/* The way from a client to its program. */
#include "tests/model/input.h"

#include "lb/core/job_input.h"
#include "tests/model/book.h"
#include "tests/model/clock.h"
#include "tests/model/http_edge.h"
#include "tests/model/sessions.h"

static size_t total;

size_t input_count(void)
{
    return total;
}

/* The client of a run whose input is typed, or NULL. */
static struct session *client_of(const struct run *run)
{
    for (unsigned i = 0; i < REQUESTS && requests[i]; i++)
        if (request_group(requests[i]) == run->group)
            return requests[i]->session;
    return NULL;
}

static bool is_same_window(struct pe_window a, struct pe_window b)
{
    return a.rows == b.rows && a.cols == b.cols;
}

void input_on_job(const struct run *run, const struct pe_message *message)
{
    struct session *client = client_of(run);
    const struct pe_live_input *input = &message->input;
    EXPECT(input->open == (client != NULL), "run %u has another standard input than its client wants",
           run->number);
    if (!client)
        return;
    EXPECT(input->tty == client->is_tty, "run %u has another terminal than its client wants", run->number);
    EXPECT(!input->tty || is_same_window(input->window, client->window),
           "run %u begins with a window of %ux%u", run->number, input->window.rows, input->window.cols);
    client->is_resized = false;
}

/* The same signal, or another window, may follow after a while. */
static void check_pace(struct run *run, int signal)
{
    uint64_t last_us = run->paced_us[signal];
    EXPECT(!last_us || clock_us / 1000 >= last_us / 1000 + JOB_INPUT_PACE_MS,
           "run %u is sent signal or window %d again after %llu us", run->number, signal,
           (unsigned long long)(clock_us - last_us));
    run->paced_us[signal] = clock_us;
}

static void on_resize(struct run *run, struct session *client, struct pe_window window)
{
    EXPECT(client->is_resized && client->is_tty, "the window of run %u changes for no reason", run->number);
    EXPECT(is_same_window(window, client->window), "run %u is told of a window of %ux%u", run->number,
           window.rows, window.cols);
    check_pace(run, 0);
    client->is_resized = false;
}

static void on_signal(struct run *run, struct session *client, int signal)
{
    const uint64_t bit = UINT64_C(1) << signal;
    EXPECT(client->signals & bit, "run %u gets the signal %d", run->number, signal);
    check_pace(run, signal);
    client->signals &= ~bit;
    run->signals_sent |= bit;
}

static void on_input(struct slot_actor *slot, const struct session *client, size_t size)
{
    struct run *run = slot->run;
    EXPECT(!run->has_eof, "run %u gets input behind its end", run->number);
    EXPECT(run->input_sent + size <= client->typed, "run %u gets %zu bytes of input; only %zu were typed",
           run->number, run->input_sent + size, client->typed);
    EXPECT(run->input_sent + size - run->input_taken <= PE_LIVE_WINDOW, "the window of run %u is full",
           run->number);
    slot->input_announced = size;
}

void input_on_message(struct slot_actor *slot, const struct pe_message *message)
{
    struct run *run = slot->run;
    book_sync();
    EXPECT(slot->view == VIEW_RUNNING && !slot->input_announced, "slot %u is sent live input out of order",
           slot->number);
    struct session *client = client_of(run);
    EXPECT(client, "run %u is sent input, and nobody types", run->number);
    total++;
    if (message->kind == PE_MESSAGE_INPUT) {
        on_input(slot, client, message->bytes);
    } else if (message->kind == PE_MESSAGE_RESIZE) {
        on_resize(run, client, message->window);
    } else if (message->kind == PE_MESSAGE_SIGNAL) {
        on_signal(run, client, message->signal);
    } else {
        EXPECT(client->is_ended && !run->has_eof && run->input_sent == client->typed,
               "the input of run %u ends too early, or twice", run->number);
        run->has_eof = true;
    }
}

void input_on_bytes(struct slot_actor *slot, const uint8_t *bytes, size_t size)
{
    struct run *run = slot->run;
    const struct session *client = client_of(run);
    EXPECT(client && size == slot->input_announced, "slot %u gets %zu bytes of input, and expects %zu",
           slot->number, size, slot->input_announced);
    for (size_t i = 0; i < size; i++)
        EXPECT(bytes[i] == session_byte(client->request, run->input_sent + i),
               "run %u gets input that was not typed", run->number);
    run->input_sent += size;
    slot->input_announced = 0;
}

void input_on_return(const struct run *run)
{
    struct session *client = client_of(run);
    if (!client)
        return;
    client->is_resized = client->was_resized;
    client->signals |= run->signals_sent;
}

/* Piston's clients know of no window: what they type waits until there is room in it. They must read what
 * they are sent. */
static bool is_held_back(const struct run *run, const struct session *client)
{
    bool reads = client->peer.unread_count == 0 && !client->peer.ws->read;
    return client->is_piston && (!reads || run->input_sent == run->input_taken + PE_LIVE_WINDOW);
}

/* A slot that does not read what it is sent may have to be waited for. */
void input_check_rest(const struct slot_actor *slot)
{
    const struct run *run = slot->run;
    const struct session *client = run ? client_of(run) : NULL;
    if (!client || slot->view != VIEW_RUNNING || !ws_server_has_room(slot->peer.ws))
        return;
    EXPECT(run->input_sent == client->typed || is_held_back(run, client),
           "run %u was sent %zu bytes of %zu that were typed", run->number, run->input_sent, client->typed);
    EXPECT(run->has_eof == client->is_ended, "run %u is not told the end of its input", run->number);
    EXPECT((!client->is_resized && !client->signals) || client->live->input.is_pacing,
           "run %u is not told of its window or a signal", run->number);
}
