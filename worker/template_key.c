/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 over what a template depends on. The files of templates are worker/template_disk.c. */
#include "worker/template_key.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "codec/sha256.h"
#include "worker/job/bundle.h"
#include "worker/vmm/driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* Count this up when pe-worker itself changes what a snapshot means: the guest contract, or the way
 * in which a template is made. */
#define TEMPLATE_FORMAT 5

/* Add the content of a file, and a mark that separates it from what follows. */
static int hash_file(struct pe_sha256 *hash, const char *path, struct pe_error *err)
{
    if (pe_sha256_add_file(hash, path, err) < 0)
        return -1;
    pe_sha256_add_text(hash, "");
    return 0;
}

/* The state of a KVM guest contains the features of the host's CPU. */
static int hash_cpu(struct pe_sha256 *hash, struct pe_error *err)
{
    pe_autobuf struct pe_buf info = {0};
    if (pe_read_file(AT_FDCWD, "/proc/cpuinfo", 4 << 20, &info, err) < 0 ||
        pe_buf_append(&info, "", 1, err) < 0)
        return -1;
    static const char *const lines[] = {"model name", "flags"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *line = strstr((const char *)info.data, lines[i]);
        if (line)
            pe_sha256_add(hash, line, strcspn(line, "\n"));
    }
    return 0;
}

int template_key_of_worker(const struct worker_config *config, char key[TEMPLATE_KEY_SIZE],
                           struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(err);
    char version[VMM_VERSION_MAX], text[160];
    if (!hash || vm_host_version(&config->vm, version, sizeof version, err) < 0 ||
        hash_file(hash, config->vm.kernel, err) < 0 || hash_file(hash, config->vm.initramfs, err) < 0 ||
        (config->vm.kernel_kaslr && hash_file(hash, config->vm.kernel_kaslr, err) < 0))
        return -1;
    snprintf(text, sizeof text, "%d %s %s %d %s %u %d", TEMPLATE_FORMAT, config->vm.driver->name, version,
             (int)config->vm.accel, config->vm.cpu_flags, config->memory_mib, config->engine.prewarm);
    pe_sha256_add_text(hash, text);
    if (config->vm.accel == VM_ACCEL_KVM && hash_cpu(hash, err) < 0)
        return -1;
    return pe_sha256_end_hex(hash, key, err);
}

int template_key(const struct worker_config *config, const char *worker_key, const struct pe_image *image,
                 char key[TEMPLATE_KEY_SIZE], struct pe_error *err)
{
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(err);
    pe_autobuf struct pe_buf container = {0};
    if (!hash || bundle_config(BUNDLE_JOB, image, config->memory_mib, &container, err) < 0)
        return -1;
    pe_sha256_add(hash, container.data, container.size);
    pe_sha256_add_text(hash, worker_key);
    pe_sha256_add_text(hash, image->digest);
    for (size_t i = 0; i < image->warmup_count; i++)
        pe_sha256_add_text(hash, image->warmup[i]);
    pe_sha256_add_text(hash, "");
    for (size_t i = 0; i < image->env_count; i++)
        pe_sha256_add_text(hash, image->env[i]);
    return pe_sha256_end_hex(hash, key, err);
}
