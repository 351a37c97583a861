/* SPDX-License-Identifier: Apache-2.0 */
/* The list of deadlines and the timer that looks at it while it is not empty. */
#include "lb/core/deadlines.h"

#include "base/io.h"

enum { PRECISION_MS = 100 };

static void start_timer(struct deadlines *deadlines)
{
    if (deadlines->running || deadlines->watched.next == &deadlines->watched)
        return;
    deadlines->running = true;
    deadlines->loop->ops->start_timer(deadlines->loop, &deadlines->timer, PRECISION_MS);
}

static void on_expire(struct loop_timer *timer)
{
    struct deadlines *deadlines = pe_list_entry(timer, struct deadlines, timer);
    struct pe_list left; /* to be looked at; each goes back before a call that may end any of them */
    uint64_t now = pe_now_us();
    deadlines->running = false;
    pe_list_init(&left);
    pe_list_move_all(&deadlines->watched, &left);
    while (left.next != &left) {
        struct deadline *deadline = pe_list_entry(left.next, struct deadline, in_watched);
        pe_list_remove(&deadline->in_watched);
        pe_list_append(&deadlines->watched, &deadline->in_watched);
        if (now >= deadline->at_us)
            deadline->on_passed(deadline);
    }
    start_timer(deadlines);
}

void deadlines_init(struct deadlines *deadlines, struct loop *loop)
{
    *deadlines = (struct deadlines){.loop = loop, .timer = {.on_expire = on_expire}};
    pe_list_init(&deadlines->watched);
}

void deadline_watch(struct deadlines *deadlines, struct deadline *deadline)
{
    pe_list_append(&deadlines->watched, &deadline->in_watched);
    start_timer(deadlines);
}

void deadline_pause(struct deadline *deadline)
{
    uint64_t now = pe_now_us();
    if (!pe_list_linked(&deadline->in_watched))
        return;
    pe_list_remove(&deadline->in_watched);
    deadline->paused = true;
    deadline->left_us = deadline->at_us > now ? deadline->at_us - now : 0;
}

void deadline_resume(struct deadlines *deadlines, struct deadline *deadline)
{
    if (!deadline->paused)
        return;
    deadline->paused = false;
    deadline->at_us = pe_now_us() + deadline->left_us;
    deadline_watch(deadlines, deadline);
}

void deadline_forget(struct deadline *deadline)
{
    pe_list_remove(&deadline->in_watched);
}
