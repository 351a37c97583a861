/* SPDX-License-Identifier: Apache-2.0 */
/* What pe-init adds to the root file system of an image. The input has up to four parts, divided by NULs:
 * /etc/hosts, /etc/hostname, /etc/resolv.conf, and the target of a link /tmp. Afterwards the files are
 * complete, they still have what the image had, and nothing is left to do the next time. */
#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/root_files.h"
#include "tests/fuzz/fake_folder.h"

enum { FILES = 3, TEXT_MAX = 65536 };

static const char *const names[FILES] = {"root/etc/hosts", "root/etc/hostname", "root/etc/resolv.conf"};

static char *next_part(struct pe_cursor *rest, size_t *size)
{
    const uint8_t *part = pe_cursor_read_until(rest, '\0', size);
    if (!part) {
        *size = rest->left;
        part = pe_cursor_read(rest, *size);
    }
    return fuzz_text(part, *size);
}

static void make_root(struct pe_cursor rest, char *hosts[1])
{
    char path[128];
    size_t size = 0;
    fake_folder_begin();
    for (const char *const *name = (const char *const[]){"root", "root/etc", NULL}; *name; name++) {
        snprintf(path, sizeof path, "%s/%s", fake_folder, *name);
        HOLDS(mkdir(path, 0755) == 0);
    }
    for (size_t i = 0; i < FILES && (i == 0 || rest.left); i++) {
        pe_autofree char *text = next_part(&rest, &size);
        fake_folder_write(names[i], text, size);
        if (i == 0)
            hosts[0] = pe_steal_ptr(&text);
    }
    pe_autofree char *target = next_part(&rest, &size);
    snprintf(path, sizeof path, "%s/root/tmp", fake_folder);
    (void)!(size ? symlink(target, path) : 0);
}

static void complete(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/root", fake_folder);
    pe_autoclose int fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    HOLDS(fd >= 0);
    root_files_complete(fd);
}

/* The content of a file, with a NUL behind it. */
static void read_text(const char *name, struct pe_buf *text)
{
    char path[128];
    struct pe_error err;
    snprintf(path, sizeof path, "%s/%s", fake_folder, name);
    HOLDS(pe_read_file(AT_FDCWD, path, TEXT_MAX, text, &err) == 0 && pe_buf_append(text, "", 1, &err) == 0);
}

/* Only the root is in the folder: no link led out of it. */
static int count_names(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status, (void)kind;
    HOLDS(walk->level != 1 || !strcmp(path + walk->base, "root"));
    return 0;
}

static void check(const char *hosts)
{
    struct pe_buf before[FILES] = {0};
    for (size_t i = 0; i < FILES; i++)
        read_text(names[i], &before[i]);
    HOLDS(strstr((const char *)before[0].data, hosts));
    HOLDS(strcasestr((const char *)before[0].data, "localhost"));
    HOLDS(!strcmp((const char *)before[1].data, "pe\n") && before[2].size > 1);
    complete();
    for (size_t i = 0; i < FILES; i++) {
        pe_autobuf struct pe_buf after = {0};
        read_text(names[i], &after);
        HOLDS(!strcmp((const char *)before[i].data, (const char *)after.data));
        pe_buf_free(&before[i]);
    }
    HOLDS(nftw(fake_folder, count_names, 16, FTW_PHYS) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *hosts = NULL;
    make_root((struct pe_cursor){.at = bytes, .left = size}, &hosts);
    complete();
    check(hosts);
    free(hosts);
    fake_folder_empty();
    return 0;
}
