/* SPDX-License-Identifier: Apache-2.0 */
/* Converting between the snapshot folder of cloud-hypervisor and the two files of a vm_snapshot. */
#include "worker/vmm/ch_state.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "worker/vmm/ch_config.h"
#include "worker/vmm/run_dir.h"
#include "worker/vmm/sparse_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC "pe-cloud-hypervisor-1"
#define HEADER_MAX 64
#define CONFIG_MAX (1u << 20)
#define STATE_MAX (16u << 20)

static int read_file(const char *folder, const char *name, size_t limit, struct pe_buf *content,
                     struct pe_error *err)
{
    pe_autoclose int fd = run_dir_open_file(folder, name, err);
    return fd < 0 ? -1 : pe_read_all(fd, limit, content, name, err);
}

static bool is_in(const char *folder, const char *name)
{
    pe_autoclose int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return at >= 0 && faccessat(at, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int ch_state_pack(const char *folder, int state_fd, struct pe_error *err)
{
    pe_autobuf struct pe_buf config = {0}, state = {0};
    if (read_file(folder, CH_CONFIG, CONFIG_MAX, &config, err) < 0 ||
        read_file(folder, CH_STATE, STATE_MAX, &state, err) < 0)
        return -1;
    if (is_in(folder, CH_RANGES))
        return pe_fail(err, PE_ERR_INTERNAL,
                       "cloud-hypervisor wrote the memory of a snapshot to memory-ranges");
    char header[HEADER_MAX];
    int length = snprintf(header, sizeof header, MAGIC " %zu %zu\n", config.size, state.size);
    if (pe_write_all(state_fd, header, (size_t)length, "the state of a snapshot", err) < 0 ||
        pe_write_all(state_fd, config.data, config.size, "the state of a snapshot", err) < 0)
        return -1;
    return pe_write_all(state_fd, state.data, state.size, "the state of a snapshot", err);
}

/* All clones share the descriptor and its file offset, so the file is read with pread(2). */
static int read_all(int fd, struct pe_buf *packed, struct pe_error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0)
        return pe_fail_errno(err, "cannot examine the state of a snapshot");
    if (status.st_size <= 0 || status.st_size > HEADER_MAX + CONFIG_MAX + STATE_MAX)
        return pe_fail(err, PE_ERR_MALFORMED, "the state of a snapshot has %lld bytes",
                       (long long)status.st_size);
    if (pe_buf_reserve(packed, (size_t)status.st_size, err) < 0)
        return -1;
    while (packed->size < (size_t)status.st_size) {
        ssize_t n = pread(fd, packed->data + packed->size, (size_t)status.st_size - packed->size,
                          (off_t)packed->size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return pe_fail_errno(err, "cannot read the state of a snapshot");
        packed->size += (size_t)n;
    }
    return 0;
}

int ch_state_unpack(int state_fd, json_t **config, struct pe_buf *state, struct pe_error *err)
{
    pe_autobuf struct pe_buf packed = {0};
    size_t length = 0, config_size = 0, state_size = 0;
    char header[HEADER_MAX];
    if (read_all(state_fd, &packed, err) < 0)
        return -1;
    struct pe_cursor rest = {.at = packed.data, .left = packed.size};
    const uint8_t *line = pe_cursor_read_until(&rest, '\n', &length);
    snprintf(header, sizeof header, "%.*s", line && length < sizeof header ? (int)length : 0,
             line ? (const char *)line : "");
    if (sscanf(header, MAGIC " %zu %zu", &config_size, &state_size) != 2)
        return pe_fail(err, PE_ERR_MALFORMED, "the state of a snapshot was not written by cloud-hypervisor");
    const uint8_t *config_text = pe_cursor_read(&rest, config_size);
    const uint8_t *state_text = pe_cursor_read(&rest, state_size);
    if (!config_text || !state_text || rest.left)
        return pe_fail(err, PE_ERR_MALFORMED, "the state of a snapshot is incomplete");
    if (pe_buf_append(state, state_text, state_size, err) < 0)
        return -1;
    *config = json_loadb((const char *)config_text, config_size, 0, NULL);
    return *config ? 0 : pe_fail(err, PE_ERR_MALFORMED, "config.json of a snapshot is not JSON");
}

/* The VMM still runs, and may change the file meanwhile: no byte behind its first size is copied. */
int ch_state_copy_memory(const char *folder, int memory_fd, struct pe_error *err)
{
    struct stat source, target;
    pe_autoclose int from = run_dir_open_file(folder, CH_MEMORY, err);
    if (from < 0)
        return -1;
    if (fstat(from, &source) < 0 || fstat(memory_fd, &target) < 0)
        return pe_fail_errno(err, "cannot examine the memory of a VM in %s", folder);
    if (source.st_size != target.st_size)
        return pe_fail(err, PE_ERR_INTERNAL, "the memory file in %s has the wrong size", folder);
    return sparse_copy_bytes(from, memory_fd, target.st_size, "the memory of a VM", err);
}
