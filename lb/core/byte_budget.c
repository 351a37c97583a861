/* SPDX-License-Identifier: Apache-2.0 */
/* Counting, and the choice of the readers that are cut off. How one is cut off is the caller's
 * part. */
#include "lb/core/byte_budget.h"

void byte_budget_init(struct byte_budget *budget, size_t max, const size_t *in_cache)
{
    *budget = (struct byte_budget){.max = max, .in_cache = in_cache};
    pe_list_init(&budget->readers);
}

void byte_budget_add(struct byte_budget *budget, struct budget_reader *reader,
                     size_t (*cut_off)(struct budget_reader *reader))
{
    reader->cut_off = cut_off;
    pe_list_append(&budget->readers, &reader->in_readers);
}

void byte_budget_hold(struct byte_budget *budget, struct budget_reader *reader, size_t bytes)
{
    budget->used += bytes - reader->holds;
    reader->holds = bytes;
}

void byte_budget_remove(struct byte_budget *budget, struct budget_reader *reader)
{
    byte_budget_hold(budget, reader, 0);
    pe_list_remove(&reader->in_readers);
    budget->releasing -= reader->releasing;
    reader->releasing = 0;
}

bool byte_budget_has_room(const struct byte_budget *budget, size_t bytes)
{
    size_t room = *budget->in_cache + budget->max;
    return budget->used <= room && bytes <= room - budget->used;
}

void byte_budget_enforce(struct byte_budget *budget)
{
    while (budget->used > *budget->in_cache + budget->max + budget->releasing &&
           budget->readers.next != &budget->readers) {
        struct budget_reader *reader = pe_list_entry(budget->readers.next, struct budget_reader, in_readers);
        pe_list_remove(&reader->in_readers);
        budget->shed++;
        reader->releasing = reader->cut_off(reader) + reader->holds;
        budget->releasing += reader->releasing;
    }
}
