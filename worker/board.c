/* SPDX-License-Identifier: Apache-2.0 */
/* The board is an array of atomic variables. A text is read while it may be written: it is then a mixture of
 * two texts, which does no harm. What decides where something is written is not in shared memory. */
#include "worker/board.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

struct entry {
    atomic_uint state, connects;
    atomic_llong since, next, said_at;
    atomic_char said[BOARD_TEXT_SIZE], why[BOARD_TEXT_SIZE];
};

struct shared {
    atomic_llong day; /* that of cpu_us */
    atomic_ullong cpu_us;
    struct entry entries[]; /* one for each child, and the supervisor */
};

/* Each process has a copy of its own, which is not changed. */
struct board {
    size_t slots, children, balancers;
    int64_t start;
    struct shared *shared;
};

static const char *const state_names[BOARD_STATES] = {
    [BOARD_ENDED] = "ended",     [BOARD_STARTING] = "starting",     [BOARD_READY] = "ready",
    [BOARD_RUNNING] = "running", [BOARD_CONNECTING] = "connecting", [BOARD_CONNECTED] = "connected",
    [BOARD_AWAY] = "away",       [BOARD_REFUSED] = "refused",       [BOARD_WORKING] = "working",
    [BOARD_PAUSED] = "paused",   [BOARD_DRAINING] = "draining"};

const char *board_state_name(unsigned state)
{
    return state < BOARD_STATES ? state_names[state] : "unknown";
}

static size_t size_of_shared(size_t children)
{
    return sizeof(struct shared) + (children + 1) * sizeof(struct entry);
}

struct board *board_make(size_t slots, size_t children, size_t balancers, struct pe_error *err)
{
    const size_t size = size_of_shared(children);
    struct board *board = calloc(1, sizeof *board);
    void *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!board || shared == MAP_FAILED) {
        free(board);
        pe_fail_errno(err, "cannot allocate memory for what the worker tells");
        return NULL;
    }
    *board = (struct board){slots, children, balancers, time(NULL), shared};
    tzset(); /* while this process may still read files */
    return board;
}

void board_free(struct board *board)
{
    if (!board)
        return;
    munmap(board->shared, size_of_shared(board->children));
    free(board);
}

size_t board_slots(const struct board *board)
{
    return board ? board->slots : 0;
}

size_t board_place_of_balancer(const struct board *board, size_t balancer)
{
    return board ? board->children - board->balancers + balancer : 0;
}

size_t board_place_of_worker(const struct board *board)
{
    return board ? board->children : 0;
}

int64_t board_start(const struct board *board)
{
    return board ? board->start : 0;
}

static struct entry *entry_at(struct board *board, size_t place)
{
    return board && place <= board->children ? &board->shared->entries[place] : NULL;
}

static void write_text(atomic_char *to, const char *from)
{
    const size_t size = strnlen(from, BOARD_TEXT_SIZE - 1);
    for (size_t i = 0; i < size; i++)
        atomic_store_explicit(&to[i], from[i], memory_order_relaxed);
    atomic_store_explicit(&to[size], '\0', memory_order_relaxed);
}

void board_set(struct board *board, size_t place, enum board_state state)
{
    struct entry *entry = entry_at(board, place);
    if (!entry)
        return;
    if (atomic_exchange(&entry->state, state) != (unsigned)state || !atomic_load(&entry->since)) {
        atomic_store(&entry->since, time(NULL));
        write_text(entry->why, "");
    }
    if (state == BOARD_CONNECTED)
        atomic_fetch_add(&entry->connects, 1);
    atomic_store(&entry->next, 0);
}

void board_explain(struct board *board, size_t place, const char *why)
{
    struct entry *entry = entry_at(board, place);
    if (entry)
        write_text(entry->why, why);
}

void board_plan(struct board *board, size_t place, int64_t next)
{
    struct entry *entry = entry_at(board, place);
    if (entry)
        atomic_store(&entry->next, next);
}

void board_say(struct board *board, size_t place, const char *text)
{
    struct entry *entry = entry_at(board, place);
    if (!entry)
        return;
    write_text(entry->said, text);
    atomic_store(&entry->said_at, time(NULL));
}

/* Somebody else wrote the text: it has an end, and a terminal may show it. */
static void read_text(const atomic_char *from, char *to)
{
    size_t i = 0;
    for (; i < BOARD_TEXT_SIZE - 1; i++) {
        char c = atomic_load_explicit(&from[i], memory_order_relaxed);
        if (!c)
            break;
        to[i] = (char)(c >= 0x20 && c < 0x7f ? c : '?');
    }
    to[i] = '\0';
}

void board_read(const struct board *board, size_t place, struct board_view *view)
{
    *view = (struct board_view){.state = BOARD_ENDED};
    if (!board || place > board->children)
        return;
    const struct entry *entry = &board->shared->entries[place];
    view->state = atomic_load(&entry->state);
    view->since = atomic_load(&entry->since);
    view->next = atomic_load(&entry->next);
    view->said_at = atomic_load(&entry->said_at);
    read_text(entry->said, view->said);
    read_text(entry->why, view->why);
}

unsigned board_connects(const struct board *board, size_t balancer)
{
    return board && balancer < board->balancers
               ? atomic_load(&board->shared->entries[board_place_of_balancer(board, balancer)].connects)
               : 0;
}

/* A number that is another one on each local day. */
static int64_t local_day(void)
{
    struct tm local;
    const time_t now = time(NULL);
    return localtime_r(&now, &local) ? local.tm_year * 366 + local.tm_yday + 1 : 0;
}

void board_add_cpu(struct board *board, uint64_t us)
{
    if (!board)
        return;
    const int64_t today = local_day();
    if (atomic_exchange(&board->shared->day, today) != today)
        atomic_store(&board->shared->cpu_us, 0);
    atomic_fetch_add(&board->shared->cpu_us, us);
}

uint64_t board_cpu_today_us(const struct board *board)
{
    return board && atomic_load(&board->shared->day) == local_day() ? atomic_load(&board->shared->cpu_us) : 0;
}
