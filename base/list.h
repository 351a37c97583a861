/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked lists with a head. A struct can be in one list for each member of type
 * `struct list` that it has. A zero-initialised node is in no list. */
#ifndef PE_BASE_LIST_H
#define PE_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

/* Make an empty list of a head. */
static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

/* True if the node is in a list. */
static inline bool list_linked(const struct list *node)
{
    return node->next != NULL;
}

/* Insert a node, which is in no list, before `at`, which is a node or the head. */
static inline void list_insert_before(struct list *at, struct list *node)
{
    node->prev = at->prev;
    node->next = at;
    at->prev->next = node;
    at->prev = node;
}

/* Insert a node at the end of the list. */
static inline void list_append(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

/* Insert a node at the front of the list. */
static inline void list_prepend(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

/* Remove a node from its list. Does nothing if it is in none. */
static inline void list_remove(struct list *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

/* Move all nodes of one list to the end of another one. */
static inline void list_move_all(struct list *from, struct list *to)
{
    if (from->next == from)
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))
#define list_for_each(node, head) for (struct list *node = (head)->next; node != (head); node = node->next)

#endif
