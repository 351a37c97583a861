/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked lists with a head. A struct can be in one list for each member of type
 * `struct pe_list` that it has. A zero-initialised node is in no list. */
#ifndef PE_BASE_LIST_H
#define PE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct pe_list {
    struct pe_list *next, *prev;
};

/* Make an empty list of a head. */
static inline void pe_list_init(struct pe_list *head)
{
    head->next = head->prev = head;
}

/* True if the node is in a list. */
static inline bool pe_list_linked(const struct pe_list *node)
{
    return node->next != NULL;
}

/* Insert a node, which is in no list, before `at`, which is a node or the head. */
static inline void pe_list_insert_before(struct pe_list *at, struct pe_list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

/* Insert a node at the end of the list. */
static inline void pe_list_append(struct pe_list *head, struct pe_list *node)
{
    pe_list_insert_before(head, node);
}

/* Insert a node at the front of the list. */
static inline void pe_list_prepend(struct pe_list *head, struct pe_list *node)
{
    pe_list_insert_before(head->next, node);
}

/* Remove a node from its list. Does nothing if it is in none. */
static inline void pe_list_remove(struct pe_list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* Move all nodes of one list to the end of another one. */
static inline void pe_list_move_all(struct pe_list *from, struct pe_list *to)
{
    if (from->next == from)
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    pe_list_init(from);
}

#define pe_list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define pe_list_for_each(node, head) \
    for (struct pe_list *node = (head)->next; node != (head); node = node->next)

#endif
