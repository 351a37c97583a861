/* SPDX-License-Identifier: Apache-2.0 */
/* The key of a template: a digest of everything that its snapshot depends on. If anything changes,
 * the key changes, and an old template is never used again. */
#ifndef PE_WORKER_TEMPLATE_KEY_H
#define PE_WORKER_TEMPLATE_KEY_H

#include "base/error.h"
#include "codec/sha256.h"
#include "proto/image.h"
#include "worker/config.h"

#define TEMPLATE_KEY_SIZE PE_SHA256_HEX_SIZE

/* Compute the part of the key that all images of this worker share: kernel and initramfs (whose
 * files are read), VMM and its version, engine, memory, and the CPU if the guest sees it. Fails
 * with PE_ERR_INTERNAL if a file cannot be read, and as vm_host_version does. */
int template_key_of_worker(const struct worker_config *config, char key[TEMPLATE_KEY_SIZE],
                           struct pe_error *err) PE_MUST_CHECK;

/* Compute the key of the template of `image`: `worker_key`, which template_key_of_worker returned,
 * and the image's rootfs, container configuration, warm-up command and environment. Fails with
 * PE_ERR_INTERNAL. */
int template_key(const struct worker_config *config, const char *worker_key, const struct pe_image *image,
                 char key[TEMPLATE_KEY_SIZE], struct pe_error *err) PE_MUST_CHECK;

#endif
