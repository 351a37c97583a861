/* What slots and the templates' process say to each other: one SOCK_SEQPACKET connection per slot, to a
 * socket in the host's run directory. A slot asks before it makes a VM; the answer brings the template, and
 * is the permission to start, which the slot gives back when the VM is ready. On a host with more slots than
 * jobs that run at once, a slot asks on a second connection before it runs one, and gives that back when the
 * program has ended. A slot that dies gives both back by dying.
 */
#ifndef PE_WORKER_TEMPLATE_CLIENT_H
#define PE_WORKER_TEMPLATE_CLIENT_H

#include "base/error.h"
#include "proto/image.h"
#include "proto/limits.h"
#include "worker/config.h"
#include "worker/vmm/vmm.h"

#include <stdbool.h>

enum template_message_kind {
    TEMPLATE_REQUEST_VM,     /* slot: a VM for this image, when it is my turn */
    TEMPLATE_REQUEST_VM_NOW, /* slot: a job waits for it */
    TEMPLATE_RELEASE,        /* slot: it is ready, or lost */
    TEMPLATE_REPORT_BROKEN,  /* slot: this image's template cannot be cloned */
    TEMPLATE_REQUEST_RUN,    /* slot, on a connection of its own: a job is ready to run; answer: now it may */
    TEMPLATE_GRANT_CLONE,    /* answer: clone this, two descriptors travel along */
    TEMPLATE_GRANT_BOOT,     /* answer: there is no template, boot */
};

struct template_message {
    enum template_message_kind word;
    char image[PE_IMAGE_NAME_MAX + 1];
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* TEMPLATE_GRANT_CLONE: of the image that the template is of */
};

/* The slot's end. */
struct template_client {
    int fd;                                /* -1: not connected */
    bool asked;                            /* an answer is due: `fd` becomes readable */
    bool answered;                         /* the permission is ours */
    char identity[PE_IMAGE_IDENTITY_SIZE]; /* of the image whose template came last */
};

#define TEMPLATE_CLIENT_NONE ((struct template_client){.fd = -1})

/* Ask for a VM of the image, connecting first if need be; replaces an earlier question. PE_ERR_LOST when the
 * templates' process is not there. */
int template_client_request_vm(struct template_client *client, const struct worker_config *config,
                               const char *image, bool now, struct pe_error *err) PE_MUST_CHECK;

/* Ask for a job's turn to run, likewise. template_client_receive brings the answer, template_client_release
 * gives the turn back.
 */
int template_client_request_run(struct template_client *client, const struct worker_config *config,
                                struct pe_error *err) PE_MUST_CHECK;

/* Take the answer, waiting at most `wait_ms` for it: 1, and `*snapshot` is the caller's (VM_SNAPSHOT_NONE:
 * boot); 0: not yet. Negative: the connection is gone. */
int template_client_receive(struct template_client *client, int wait_ms, struct vm_snapshot *snapshot,
                            struct pe_error *err) PE_MUST_CHECK;

/* Whether what template_client_receive brought is a template of just this image: another one may have got its
 * name in between. */
bool template_client_matches(const struct template_client *client, const struct pe_image *image);

/* Give the permission back, or the question up. */
void template_client_release(struct template_client *client);

/* Say that what template_client_receive brought for this image cannot be cloned: it will be made anew. */
void template_client_report_broken(struct template_client *client, const char *image);

void template_client_close(struct template_client *client);

/* ---- for the other end ---- */

/* Listen at RUNDIR/templates. Done once per host, before there are slots: a question asked while the
 * templates' process is started again waits for it. */
int template_listen(const struct worker_config *config, struct pe_error *err) PE_MUST_CHECK;

/* Send a message, with both files of `snapshot` unless it is NULL. */
int template_send(int fd, const struct template_message *message, const struct vm_snapshot *snapshot,
                  struct pe_error *err) PE_MUST_CHECK;

/* Receive one without blocking: 1; 0 when there is none; negative at the end of the connection. `*snapshot`
 * is VM_SNAPSHOT_NONE unless two descriptors came along, which are then the caller's. */
int template_receive(int fd, struct template_message *message, struct vm_snapshot *snapshot,
                     struct pe_error *err) PE_MUST_CHECK;

#endif
