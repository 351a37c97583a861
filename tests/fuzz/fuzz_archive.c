/* SPDX-License-Identifier: Apache-2.0 */
/* Archives of images, as `docker save` writes them. The kind of an archive is found, and its files are
 * unpacked within their limit; each is found under its name. */
#include "base/cleanup.h"
#include "image/archive_kind.h"
#include "image/oci.h"
#include "tests/fuzz/fake_folder.h"

enum { BYTES = 1 << 18 };

static void check_members(const struct source *source)
{
    uint64_t total = 0;
    for (size_t i = 0; i < source->count; i++) {
        const struct source_member *member = &source->members[i];
        pe_autobuf struct pe_buf content = {0};
        struct pe_error err = {0};
        HOLDS(member->name[0] != '/' && !strstr(member->name, "//"));
        if (source_read_file(source, member->name, BYTES, &content, &err) < 0)
            HOLDS(err.kind && (member->target || err.kind != PE_ERR_NOT_FOUND));
        total += member->target ? 0 : content.size;
    }
    HOLDS(total <= BYTES * source->count); /* several members can have one name */
}

static void unpack(int fd)
{
    char spool[128];
    struct pe_error err = {0};
    struct oci_choice choice = {.reference = NULL};
    pe_autosource struct source source = {.directory = -1};
    pe_autooci struct oci_image image = {0};
    fake_folder_begin();
    snprintf(spool, sizeof spool, "%s/spool", fake_folder);
    HOLDS(platform_parse("amd64", &choice.machine, &err) == 0);
    if (source_spool_archive(fd, "archive", spool, BYTES, &source, &err) == 0) {
        check_members(&source);
        (void)!oci_read(&source, &choice, &image, &err);
    } else {
        HOLDS(err.kind && err.message[0]);
    }
    fake_folder_empty();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    enum archive_kind kind = ARCHIVE_OF_ROOTFS;
    struct pe_error err = {0};
    pe_autoclose int fd = fuzz_file(bytes, size);
    if (archive_find_kind(fd, "archive", BYTES, &kind, &err) < 0)
        HOLDS(err.kind && err.message[0]);
    HOLDS(lseek(fd, 0, SEEK_SET) == 0);
    unpack(fd);
    return 0;
}
