/* SPDX-License-Identifier: Apache-2.0 */
/* The input device of a job: a squashfs in the memory behind the VM's second pmem device. The sizes
 * of all files are known before their first byte arrives, so each byte is copied once, to its final
 * place. The metadata follow the file data. Nothing is compressed, because decompressing would cost
 * time in the guest.
 */
#ifndef PE_WORKER_JOB_INPUT_H
#define PE_WORKER_JOB_INPUT_H

#include "base/buffer.h"
#include "base/error.h"
#include "proto/slot.h"
#include "worker/job/memfile.h"

#include <stddef.h>
#include <stdint.h>

struct input {
    struct memfile *device;       /* borrowed */
    const struct pe_parts *files; /* borrowed */
    const char *stdin_name;       /* borrowed: the file that is also stdin; NULL: none */
    uint64_t *offsets;            /* owned: offset of each file's data in the device */
    uint64_t body_end;            /* offset of the end of the file data */
    uint64_t filled;              /* offset of the next byte */
};

/* Begin an input with the files of a job. `device`, `files` and `stdin_name` must outlive it. Fails
 * with PE_ERR_TOO_LARGE if the files exceed PE_INPUT_FILES_MAX or PE_INPUT_BYTES_MAX, and with
 * PE_ERR_INTERNAL without memory. */
int input_begin(struct input *input, struct memfile *device, const struct pe_parts *files,
                const char *stdin_name, struct pe_error *err) PE_MUST_CHECK;

/* Add the next bytes of the files, which are concatenated in the order of `files`. Fails with
 * PE_ERR_MALFORMED if there are more bytes than the files have. */
int input_append(struct input *input, const void *bytes, size_t size, struct pe_error *err) PE_MUST_CHECK;

/* The texts in the root folder of the device, beside the folder with the job's files. */
struct input_texts {
    struct pe_buf config;  /* config.json */
    struct pe_buf prewarm; /* prewarm.json; empty: left out */
    struct pe_buf program; /* empty: left out */
    struct pe_buf job;
    uint32_t uid, gid; /* owner of all files, so that the job's user may change them */
};

/* Free the texts. */
void input_texts_free(struct input_texts *texts);
#define autoinputtexts __attribute__((cleanup(input_texts_free)))

/* Add the texts and write the metadata. The device then is a squashfs as proto/guest-contract.md
 * describes it. May be called again with other texts. Fails with PE_ERR_MALFORMED if bytes of the
 * files are missing, with PE_ERR_INVALID if a name occurs twice or is both a file and a directory
 * (the balancer has checked the names, but it is another program), with PE_ERR_TOO_LARGE if the
 * device is too small, and with PE_ERR_INTERNAL without memory. */
int input_finish(struct input *input, const struct input_texts *texts, struct pe_error *err) PE_MUST_CHECK;

/* Free what `input` owns; the device stays. Harmless on a zeroed input. */
void input_free(struct input *input);
#define autoinput __attribute__((cleanup(input_free)))

#endif
