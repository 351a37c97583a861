/* SPDX-License-Identifier: Apache-2.0 */
/* What the forms of a result say alike about its files and folders. */
#ifndef PE_LB_API_RESULT_PART_H
#define PE_LB_API_RESULT_PART_H

#include "proto/slot.h"

#include <stdint.h>

/* The permission bits of a file or a folder. Older workers did not send those of all files. */
static inline uint32_t part_mode(const struct pe_part *part)
{
    uint32_t mode = part->mode & 0777;
    return mode ? mode : part->kind == PE_PART_FOLDER ? 0755 : 0644;
}

#endif
