/* SPDX-License-Identifier: Apache-2.0 */
/* The balancers of a worker: what --server names, and the places that these names stand for. A name can have
 * several addresses, or be that of a service with an SRV record. worker/balancer_discovery.h finds that out.
 */
#ifndef PE_WORKER_BALANCER_LIST_H
#define PE_WORKER_BALANCER_LIST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

enum { BALANCERS_MAX = 8, BALANCER_URL_SIZE = 384, BALANCER_ADDRESS_SIZE = 64 };

/* One balancer. */
struct balancer_place {
    char url[BALANCER_URL_SIZE];         /* "http://host:port", "https://…" or "unix:/path" */
    char address[BALANCER_ADDRESS_SIZE]; /* of several of this host: an IP address; or "" */
};

struct balancer_list {
    size_t count;
    struct balancer_place items[BALANCERS_MAX];
};

/* Whether `server` is the name of a service: "http+srv://NAME" or "https+srv://NAME". */
bool balancer_is_service(const char *server);

/* Whether what `server` stands for may change: it is the name of a service, or of a host. */
bool balancer_is_name(const char *server);

/* The list of the balancers that `servers` name as they are: each with one place, except for services, which
 * have none yet. PE_ERR_INVALID names the server that is not one, or says that there are too many. */
int balancer_list_make(const char *const *servers, size_t count, struct balancer_list *list,
                       struct pe_error *err) PE_MUST_CHECK;

/* Add a balancer, unless it is there already or the list is full. Returns false if it is full. `address` may
 * be "". The URL must be shorter than BALANCER_URL_SIZE. */
bool balancer_list_add(struct balancer_list *list, const char *url, const char *address);

/* Copy a list that another process has written, which may have been taken over: there are places to connect
 * to in it, and nothing else. `servers` are those of the command line. PE_ERR_MALFORMED says what is wrong;
 * `list` is unchanged then. */
int balancer_list_take(const struct balancer_list *written, const char *const *servers, size_t count,
                       struct balancer_list *list, struct pe_error *err) PE_MUST_CHECK;

/* Whether both lists have the same balancers in the same order. */
bool balancer_list_equals(const struct balancer_list *a, const struct balancer_list *b);

#endif
