/* SPDX-License-Identifier: Apache-2.0 */
/* The job is decoded again from its JSON, and each file is memory of its own. */
#include "lb/core/submission_copy.h"

#include <stdlib.h>
#include <string.h>

size_t submission_copy_bytes(const struct submission *submission)
{
    return submission->spec_text.left + (size_t)submission->total + submission->names +
           submission->files.count * (sizeof(struct pe_part) + sizeof(void *));
}

static int copy_file(struct submission *copy, const struct submission *from, size_t i, struct pe_error *err)
{
    const struct pe_part *file = &from->files.items[i];
    const size_t size = (size_t)file->size, before = copy->files.count;
    uint8_t *bytes = malloc(size + 1);
    if (!bytes)
        return pe_fail_errno(err, "cannot copy a file of a job");
    if (size)
        memcpy(bytes, from->bytes[i], size);
    const struct pe_cursor content = {.at = bytes, .left = size};
    int failed = submission_add_file(copy, file->path.text, file->path.length, content, err);
    if (copy->files.count == before)
        free(bytes);
    return failed;
}

static int copy_all(struct submission *copy, const struct submission *from, struct pe_error *err)
{
    if (!from->spec_text.left)
        return pe_fail(err, PE_ERR_INVALID, "the job was not sent as JSON");
    if (pe_buf_append(&copy->owned_text, from->spec_text.at, from->spec_text.left, err) < 0)
        return -1;
    copy->spec_text = (struct pe_cursor){.at = copy->owned_text.data, .left = copy->owned_text.size};
    if (pe_job_spec_decode((const char *)copy->spec_text.at, copy->spec_text.left, &copy->spec, err) < 0)
        return -1;
    for (size_t i = 0; i < from->files.count; i++)
        if (copy_file(copy, from, i, err) < 0)
            return -1;
    return 0;
}

int submission_copy(struct submission *copy, const struct submission *submission, struct pe_error *err)
{
    *copy = (struct submission){.owns_bytes = true};
    if (copy_all(copy, submission, err) == 0)
        return 0;
    submission_free(copy);
    return -1;
}
