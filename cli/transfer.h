/* One HTTP request, as libcurl's easy handle: where it goes, with which credentials, and where its answer is
 * kept. Who drives it is cli/http.c. */
#ifndef PE_CLI_TRANSFER_H
#define PE_CLI_TRANSFER_H

#include "cli/http_reply.h"
#include "cli/http_server.h"

#include <curl/curl.h>
#include <stdbool.h>

struct transfer {
    CURL *curl;
    struct curl_slist *headers;
    curl_mime *mime;
    char *url;
    char why[CURL_ERROR_SIZE];
    const struct http_server *server;
    struct http_reply *reply;
    struct pe_error stopped; /* why the answer was not taken */
    bool is_stopped;
};

/* Prepare a request for `path`, whose answer of at most `limit` bytes goes to `reply`. Both, and the server,
 * must outlive it. */
int transfer_begin(struct transfer *transfer, const struct http_server *server, const char *path,
                   size_t limit, struct http_reply *reply, struct pe_error *err) PE_MUST_CHECK;

/* Add a header; an empty value keeps libcurl from sending one of that name. */
int transfer_header(struct transfer *transfer, const char *name, const char *value,
                    struct pe_error *err) PE_MUST_CHECK;

/* It has ended with `code`: fill in the reply, or say why there is none. */
int transfer_finish(struct transfer *transfer, CURLcode code, struct pe_error *err) PE_MUST_CHECK;

void transfer_free(struct transfer *transfer);
#define autotransfer __attribute__((cleanup(transfer_free)))

#endif
