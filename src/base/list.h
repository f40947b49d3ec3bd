#pragma once
/* base/list.h: an intrusive doubly linked list. The node lives in its owner; a node is on one list at most (state is location). */
#include <stdbool.h>
#include <stddef.h>
#include "base/ensure.h"

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

struct list_node { struct list_node *next, *previous; }; /* both null: on no list */
struct list { struct list_node head; uint32_t count; };

static inline void list_init(struct list *l) { l->head.next = l->head.previous = &l->head; l->count = 0; }
static inline bool list_is_empty(const struct list *l) { return l->head.next == &l->head; }
static inline bool list_node_is_linked(const struct list_node *n) { return n->next != nullptr; }

static inline void list_push_back(struct list *l, struct list_node *n)
{
    ensure(!list_node_is_linked(n));
    n->previous = l->head.previous;
    n->next = &l->head;
    l->head.previous->next = n;
    l->head.previous = n;
    l->count += 1;
}
static inline void list_push_front(struct list *l, struct list_node *n)
{
    ensure(!list_node_is_linked(n));
    n->next = l->head.next;
    n->previous = &l->head;
    l->head.next->previous = n;
    l->head.next = n;
    l->count += 1;
}
static inline void list_remove(struct list *l, struct list_node *n)
{
    ensure(list_node_is_linked(n) && l->count > 0);
    n->previous->next = n->next;
    n->next->previous = n->previous;
    n->next = n->previous = nullptr;
    l->count -= 1;
}
static inline struct list_node *list_first(const struct list *l) { return list_is_empty(l) ? nullptr : l->head.next; }
static inline struct list_node *list_next(const struct list *l, const struct list_node *n) { return n->next == &l->head ? nullptr : n->next; }
static inline struct list_node *list_pop_front(struct list *l)
{
    struct list_node *n = list_first(l);
    if (n) list_remove(l, n);
    return n;
}
