/* Talking to a balancer, by libcurl. */
#ifndef PE_CLI_HTTP_H
#define PE_CLI_HTTP_H

#include "base/buffer.h"
#include "base/error.h"
#include "cli/files.h"
#include "cli/progress.h"

#include <stdbool.h>

struct http_server {
    const char *url; /* "http://host:port", "https://…" or "unix:/path" */

    /* Each may be NULL. */
    const char *token;         /* bearer token, for a proxy in front of the service */
    const char *ca;            /* file of certificates, instead of the system's */
    const char *cert, *key;    /* files: who we are */
    struct progress *progress; /* where to say how far a job is */
    /* Asked now and then while a request is under way; negative with an error set: give up. */
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

/* Whether a text looks like a server's URL, and not like a name. */
bool http_is_url(const char *text);

/* PE_ERR_INVALID when a server's URL is none of the forms above. */
int http_server_check(const char *url, struct pe_error *err) PE_MUST_CHECK;

/* GET `path`, within `timeout_ms`. Whatever the status, an answer is a success; PE_ERR_LOST when there is
 * none, PE_ERR_CANCELED when a signal came, PE_ERR_MALFORMED when it is larger than any the service gives. */
int http_get(const struct http_server *server, const char *path, long timeout_ms, struct http_reply *reply,
             struct pe_error *err) PE_MUST_CHECK;

/* POST /v1/run as the request `id` (32 random hex digits): the part `job`, then the files, which are read
 * from disk as they are sent. Errors as above. */
int http_post_job(const struct http_server *server, const char *id, const char *job,
                  const struct input_files *files, const char *accept, struct http_reply *reply,
                  struct pe_error *err) PE_MUST_CHECK;

#endif
