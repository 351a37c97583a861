/* SPDX-License-Identifier: Apache-2.0 */
/* Where large request bodies are kept while they arrive.
 *
 * libh2o collects a body in memory. From 4 MiB on it uses an unlinked file, whose space it reserves
 * with posix_fallocate(3) and which it maps (lib/common/memory.c of libh2o 2.2.5). If that fails it
 * closes the connection, and forgets to close a file that it has just made. Therefore pe-lb replaces
 * posix_fallocate(), and closes it: otherwise each large body would cost a descriptor while the disk
 * is full. */
#ifndef PE_LB_EDGE_SPOOL_H
#define PE_LB_EDGE_SPOOL_H

#include "base/error.h"

/* Keep large bodies in files in this folder. `folder` must stay valid. Call it before the
 * first connection. Fails with PE_ERR_INVALID if the name is too long. */
int spool_use_folder(const char *folder, struct pe_error *err) PE_MUST_CHECK;

#endif
