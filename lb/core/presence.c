/* SPDX-License-Identifier: Apache-2.0 */
/* The deadline of the workers that are away. What away means for jobs is decided in scheduler.c. */
#include "lb/core/presence.h"

#include "base/io.h"

static void forget_due(struct presence *presence)
{
    deadline_forget(&presence->next);
    presence->next.at_us = scheduler_forget_away(presence->scheduler, pe_now_us());
    if (presence->next.at_us)
        deadline_watch(presence->deadlines, &presence->next);
}

static void on_passed(struct deadline *deadline)
{
    forget_due(pe_list_entry(deadline, struct presence, next));
}

void presence_init(struct presence *presence, struct scheduler *scheduler, struct deadlines *deadlines,
                   uint64_t away_us)
{
    *presence = (struct presence){
        .scheduler = scheduler, .deadlines = deadlines, .next = {.on_passed = on_passed}, .away_us = away_us};
}

bool presence_lost(struct presence *presence, const void *owner)
{
    if (!presence->away_us) {
        scheduler_worker_gone(presence->scheduler, owner);
        return false;
    }
    bool away = scheduler_worker_lost(presence->scheduler, owner, pe_now_us() + presence->away_us);
    forget_due(presence);
    return away;
}
