/* A job's input device: a squashfs written straight into the memory behind the VM's second pmem device, never
 * touching a disk. Since the sizes of all files are known before their first byte, every body byte is copied
 * once, to where it stays; metadata follow at the end. Nothing is compressed: the guest would pay for it. */
#ifndef PE_WORKER_INPUT_H
#define PE_WORKER_INPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/slot.h"
#include "worker/memfile.h"

#include <stddef.h>
#include <stdint.h>

struct input {
    struct memfile *device;       /* borrowed */
    const struct pe_parts *files; /* borrowed */
    const char *stdin_name;       /* borrowed; NULL: none */
    uint64_t *offsets;            /* owned: where each file's bytes start in the device */
    uint64_t body_end;            /* where the last file's bytes end */
    uint64_t filled;              /* where the next body byte goes */
};

/* Lay out the files of a job. The names are checked again (twice the same, a file that is also a directory),
 * since a balancer is another program: PE_ERR_INVALID. Files that cannot fit are PE_ERR_TOO_LARGE. */
int input_begin(struct input *input, struct memfile *device, const struct pe_parts *files,
                const char *stdin_name, struct pe_error *err) PE_MUST_CHECK;

/* The next bytes of the files, concatenated in the order of `files`. PE_ERR_MALFORMED past their announced
 * size. */
int input_append(struct input *input, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* What goes into the privileged place beside the user's files. */
struct input_texts {
    struct pe_buf config;  /* config.json */
    struct pe_buf prewarm; /* prewarm.json; empty: there is none */
    struct pe_buf program; /* empty: there is none */
    struct pe_buf job;
    uint32_t uid, gid; /* to whom all files belong: a job's user may rewrite its own */
};

void input_texts_free(struct input_texts *texts);
#define autoinputtexts __attribute__((cleanup(input_texts_free)))

/* Add these, and write the metadata: after this the device is a squashfs file system as
 * proto/guest-contract.md describes. PE_ERR_MALFORMED when body bytes are missing. It may be
 * done again, with other texts. */
int input_finish(struct input *input, const struct input_texts *texts, struct pe_error *err) PE_MUST_CHECK;

void input_free(struct input *input);
#define autoinput __attribute__((cleanup(input_free)))

#endif
