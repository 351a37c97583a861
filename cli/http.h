/* Talking to a balancer, by libcurl. */
#ifndef PE_CLI_HTTP_H
#define PE_CLI_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/files.h"

#include <stdbool.h>

/* A server as the user named it: "http://host:port", "https://…" or "unix:/path". */
struct http_server {
    const char *url;
    /* Asked now and then while a request is under way; negative with an error set: give up. May be NULL. */
    int (*check)(void *context, struct pe_error *err);
    void *context;
};

struct http_reply {
    long status;
    char content_type[256];
    struct pe_buf body;
    long retry_after_s; /* 0: the server named none */
};

void http_reply_free(struct http_reply *reply);
#define http_autoreply __attribute__((cleanup(http_reply_free)))

/* PE_ERR_INVALID when a server's URL is none of the forms above. */
int http_server_check(const char *url, struct pe_error *err) PE_MUST_CHECK;

/* GET `path`, within two seconds. PE_ERR_LOST when there is no answer. */
int http_get(const struct http_server *server, const char *path, struct http_reply *reply,
             struct pe_error *err) PE_MUST_CHECK;

/* POST /v1/run: the part `job`, then the files, which are read from disk as they are sent. Whatever the
 * status, an answer is a success; PE_ERR_LOST when there is none, PE_ERR_CANCELED when a signal came,
 * PE_ERR_TOO_LARGE when the answer is larger than any the service gives. */
int http_post_job(const struct http_server *server, const char *job, const struct input_files *files,
                  const char *accept, struct http_reply *reply, struct pe_error *err) PE_MUST_CHECK;

#endif
