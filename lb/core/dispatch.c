/* SPDX-License-Identifier: Apache-2.0 */
/* The zero timer behind dispatch_soon(). Which job goes to which slot is decided in scheduler.c. */
#include "lb/core/dispatch.h"

/* A slot whose connection closes must not be given a job any more, so the scheduler forgets it first. */
static void dismiss_slots(struct scheduler *scheduler)
{
    size_t ready = 0;
    if (scheduler->queued_count)
        return;
    for (struct pe_list *node = scheduler->slots.next, *next; node != &scheduler->slots; node = next) {
        struct slot *slot = pe_list_entry(node, struct slot, in_slots);
        next = node->next;
        if (!pe_list_linked(&slot->in_ready) || !ready++)
            continue;
        scheduler_slot_remove(scheduler, slot);
        slot->ops->dismiss(slot);
    }
}

/* If a dispatch was to come, it still comes: only then on_matched() knows what is left in the queue. */
void dispatch_now(struct dispatch *dispatch)
{
    struct queue_entry *entry = NULL;
    if (dispatch->pending && !dispatch->on_matched) {
        dispatch->loop->ops->stop_timer(dispatch->loop, &dispatch->timer);
        dispatch->pending = false;
    }
    while ((entry = scheduler_match(dispatch->scheduler)))
        entry->on_match(entry);
    if (dispatch->draining)
        dismiss_slots(dispatch->scheduler);
}

static void on_expire(struct loop_timer *timer)
{
    struct dispatch *dispatch = pe_list_entry(timer, struct dispatch, timer);
    dispatch->pending = false;
    dispatch_now(dispatch);
    if (dispatch->on_matched)
        dispatch->on_matched(dispatch->data);
}

void dispatch_init(struct dispatch *dispatch, struct scheduler *scheduler, struct loop *loop)
{
    *dispatch = (struct dispatch){.scheduler = scheduler, .loop = loop, .timer = {.on_expire = on_expire}};
}

void dispatch_soon(struct dispatch *dispatch)
{
    if (dispatch->pending)
        return;
    dispatch->pending = true;
    dispatch->loop->ops->start_timer(dispatch->loop, &dispatch->timer, 0);
}

void dispatch_drain(struct dispatch *dispatch)
{
    dispatch->draining = true;
    dispatch_soon(dispatch);
}
