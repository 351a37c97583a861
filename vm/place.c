/* SPDX-License-Identifier: Apache-2.0 */
/* Making, finding and removing the folders of VMs. A folder is made under another name and renamed when it is
 * complete, so that two commands cannot make the same VM, and a killed one leaves no half VM. */
#include "vm/place.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNFINISHED ".new-"
#define CONFIG_BYTES_MAX 65536u

const char *place_state_name(enum place_state state)
{
    static const char *const names[] = {
        [PLACE_STOPPED] = "stopped", [PLACE_RUNNING] = "running", [PLACE_DEAD] = "dead"};
    return names[state];
}

void place_file(const struct place *place, const struct vmname *name, const char *file,
                char path[PLACE_FILE_MAX])
{
    snprintf(path, PLACE_FILE_MAX, "%s/%s%s%s", place->path, name->text, file[0] ? "/" : "", file);
}

int place_lock(const struct place *place, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    snprintf(path, sizeof path, "%s/lock", place->path);
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    int failed = -1;
    if (fd >= 0)
        while ((failed = flock(fd, LOCK_EX)) < 0 && errno == EINTR)
            ;
    return failed ? pe_fail_errno(err, "cannot lock %s", path) : pe_steal_fd(&fd);
}

/* ---- removing ---- */

/* Remove a folder with what is in it, to the depth that folders of VMs have. Links are not followed. */
static int remove_tree(int at, const char *name, int depth)
{
    pe_autoclose int below = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    pe_autodir DIR *folder = below < 0 ? NULL : fdopendir(below);
    const int inside = folder ? pe_steal_fd(&below) : -1; /* `folder` closes it */
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (unlinkat(inside, entry->d_name, 0) < 0 && (errno == EISDIR || errno == EPERM) && depth > 0)
            remove_tree(inside, entry->d_name, depth - 1);
    }
    return unlinkat(at, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -1;
}

int place_remove(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    pe_autoclose int at = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 || remove_tree(at, name->text, 8) < 0)
        return pe_fail_errno(err, "cannot remove the folder of the VM %s in %s", name->text, place->path);
    return 0;
}

/* Nobody who holds the lock of the place has an unfinished folder, so these are of killed commands. */
static void sweep_unfinished(const struct place *place)
{
    pe_autodir DIR *folder = opendir(place->path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));)
        if (!strncmp(entry->d_name, UNFINISHED, strlen(UNFINISHED)))
            remove_tree(dirfd(folder), entry->d_name, 8);
}

/* ---- the place itself ---- */

static int choose_path(const char *wanted, struct place *place, struct pe_error *err)
{
    char path[PATH_MAX + 8];
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (wanted)
        snprintf(path, sizeof path, "%s", wanted);
    else if (geteuid() != 0 && runtime && runtime[0] == '/')
        snprintf(path, sizeof path, "%.4000s/pe-vm", runtime);
    else
        snprintf(path, sizeof path, "/run/pe-vm");
    if (path[0] != '/')
        return pe_fail(err, PE_ERR_INVALID, "--run-dir %s: the path must begin with /", path);
    if (strlen(path) > PLACE_PATH_MAX)
        return pe_fail(
            err, PE_ERR_INVALID,
            "the path %.200s is too long for sockets below it: it may have %d letters; use --run-dir", path,
            PLACE_PATH_MAX);
    memcpy(place->path, path, strlen(path) + 1);
    return 0;
}

static int check_owner(const struct place *place, struct pe_error *err)
{
    struct stat status;
    if (lstat(place->path, &status) < 0)
        return pe_fail_errno(err, "cannot examine %s", place->path);
    if (!S_ISDIR(status.st_mode) || status.st_uid != geteuid())
        return pe_fail(err, PE_ERR_INTERNAL, "%s is not a folder of this user; use --run-dir", place->path);
    return 0;
}

int place_open(const char *path, struct place *place, struct pe_error *err)
{
    if (choose_path(path, place, err) < 0)
        return -1;
    if (mkdir(place->path, 0711) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot create the folder %s for VMs; use --run-dir", place->path);
    if (check_owner(place, err) < 0)
        return -1;
    pe_autoclose int lock = place_lock(place, err);
    if (lock < 0)
        return -1;
    sweep_unfinished(place);
    return 0;
}

/* ---- one VM ---- */

static int write_config(const char *folder, const struct vmconfig *config, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    json_t *json = vmconfig_to_json(config);
    pe_autofree char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    snprintf(path, sizeof path, "%s/config.json", folder);
    pe_autoclose int fd = text ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    if (fd < 0)
        return pe_fail_errno(err, "cannot write %s", path);
    return pe_write_all(fd, text, strlen(text), path, err);
}

static int fill_and_rename(const struct place *place, const struct vmname *name, const char *unfinished,
                           const struct vmconfig *config, struct pe_error *err)
{
    char final[PLACE_FILE_MAX], below[PLACE_FILE_MAX + 8];
    place_file(place, name, "", final);
    snprintf(below, sizeof below, "%s/vmm", unfinished);
    if (mkdir(below, 0711) < 0)
        return pe_fail_errno(err, "cannot create %s", below);
    if (write_config(unfinished, config, err) < 0)
        return -1;
    if (renameat2(AT_FDCWD, unfinished, AT_FDCWD, final, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno == EEXIST)
        return pe_fail(err, PE_ERR_INVALID, "there is a VM '%s' already; `pe-vm delete %s` removes it",
                       name->text, name->text);
    return pe_fail_errno(err, "cannot create the VM %s", name->text);
}

int place_create(const struct place *place, const struct vmname *name, const struct vmconfig *config,
                 struct pe_error *err)
{
    char unfinished[PLACE_FILE_MAX];
    pe_autoclose int lock = place_lock(place, err);
    if (lock < 0)
        return -1;
    snprintf(unfinished, sizeof unfinished, "%s/" UNFINISHED "%s", place->path, name->text);
    if (mkdir(unfinished, 0711) < 0)
        return pe_fail_errno(err, "cannot create the folder %s", unfinished);
    if (fill_and_rename(place, name, unfinished, config, err) == 0)
        return 0;
    remove_tree(AT_FDCWD, unfinished, 8);
    return -1;
}

static int no_such_vm(const struct vmname *name, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_NOT_FOUND, "there is no VM '%s'; `pe-vm list` shows those that there are",
                   name->text);
}

int place_read(const struct place *place, const struct vmname *name, struct vmconfig *config,
               struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    json_error_t where;
    pe_autobuf struct pe_buf text = {0};
    place_file(place, name, "config.json", path);
    if (pe_read_file(AT_FDCWD, path, CONFIG_BYTES_MAX, &text, err) < 0)
        return err->kind == PE_ERR_NOT_FOUND ? no_such_vm(name, err) : -1;
    json_t *json = json_loadb((const char *)text.data, text.size, 0, &where);
    const int failed = json ? vmconfig_from_json(json, config, err)
                            : pe_fail(err, PE_ERR_MALFORMED, "line %d: %s", where.line, where.text);
    json_decref(json);
    return failed ? pe_fail_context(err, "%s", path) : 0;
}

static struct flock whole_file(void)
{
    return (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
}

/* Returns 1 if somebody holds the lock of the owner, 0 if nobody does, -1 with errno. To take the lock for a
 * look would keep a VM from booting. */
static int is_owned(const struct place *place, const struct vmname *name)
{
    char path[PLACE_FILE_MAX];
    place_file(place, name, "owner.lock", path);
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    struct flock lock = whole_file();
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return -1;
    return lock.l_type != F_UNLCK;
}

int place_find_state(const struct place *place, const struct vmname *name, enum place_state *state,
                     struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    place_file(place, name, "config.json", path);
    if (access(path, F_OK) < 0)
        return no_such_vm(name, err);
    const int owned = is_owned(place, name);
    if (owned < 0)
        return pe_fail_errno(err, "cannot examine the lock of the VM %s", name->text);
    place_file(place, name, "owner.pid", path);
    *state = owned ? PLACE_RUNNING : access(path, F_OK) == 0 ? PLACE_DEAD : PLACE_STOPPED;
    return 0;
}

bool place_await_end(const struct place *place, const struct vmname *name, uint64_t deadline_us)
{
    while (is_owned(place, name) == 1) {
        if (pe_now_us() >= deadline_us)
            return false;
        usleep(20000);
    }
    return true;
}

pid_t place_owner(const struct place *place, const struct vmname *name)
{
    char path[PLACE_FILE_MAX];
    pe_autobuf struct pe_buf text = {0};
    place_file(place, name, "owner.pid", path);
    const long pid = place_read_text(path, &text) ? strtol((const char *)text.data, NULL, 10) : 0;
    return pid > 0 ? (pid_t)pid : -1;
}

/* Replace a small file. */
static int write_text(const char *path, const char *text, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot write %s", path);
    return pe_write_all(fd, text, strlen(text), path, err);
}

static int note_owner(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    static const char *const outdated[] = {"ended", "swept"};
    char path[PLACE_FILE_MAX], text[16];
    for (size_t i = 0; i < sizeof outdated / sizeof *outdated; i++) {
        place_file(place, name, outdated[i], path);
        unlink(path);
    }
    place_file(place, name, "owner.pid", path);
    snprintf(text, sizeof text, "%d\n", (int)getpid());
    if (write_text(path, text, err) == 0)
        return 0;
    unlink(path); /* it would make the VM look dead */
    return -1;
}

static int lock_vm(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    struct flock lock = whole_file();
    place_file(place, name, "owner.lock", path);
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", path);
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return pe_steal_fd(&fd);
    return errno == EAGAIN || errno == EACCES
               ? pe_fail(err, PE_ERR_INVALID, "the VM %s runs already", name->text)
               : pe_fail_errno(err, "cannot lock %s", path);
}

/* With the lock of the place, nobody sweeps or removes the VM meanwhile. */
int place_own(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    pe_autoclose int others = place_lock(place, err);
    if (others < 0)
        return -1;
    pe_autoclose int fd = lock_vm(place, name, err);
    if (fd < 0 || note_owner(place, name, err) < 0)
        return -1;
    return pe_steal_fd(&fd);
}

void place_note_end(const struct place *place, const struct vmname *name, const char *why)
{
    char path[PLACE_FILE_MAX];
    struct pe_error ignored;
    place_file(place, name, "ended", path);
    (void)!write_text(path, why, &ignored);
    place_file(place, name, "networks", path);
    unlink(path);
    place_file(place, name, "control.sock", path);
    unlink(path);
    place_file(place, name, "owner.pid", path);
    unlink(path);
}

bool place_read_text(const char *path, struct pe_buf *text)
{
    struct pe_error ignored;
    return pe_read_file(AT_FDCWD, path, CONFIG_BYTES_MAX, text, &ignored) == 0 &&
           pe_buf_append(text, "", 1, &ignored) == 0;
}

static int is_vm(const struct dirent *entry)
{
    struct vmname name;
    struct pe_error ignored;
    return vmname_parse(entry->d_name, &name, &ignored) == 0 && strcmp(entry->d_name, "lock") != 0 &&
           entry->d_type == DT_DIR;
}

int place_for_each(const struct place *place,
                   int (*visit)(const struct place *place, const struct vmname *name, void *context,
                                struct pe_error *err),
                   void *context, struct pe_error *err)
{
    struct dirent **entries = NULL;
    const int count = scandir(place->path, &entries, is_vm, alphasort);
    if (count < 0)
        return pe_fail_errno(err, "cannot read %s", place->path);
    int failed = 0;
    for (int i = 0; i < count; i++) {
        struct vmname name;
        if (!failed && vmname_parse(entries[i]->d_name, &name, err) == 0)
            failed = visit(place, &name, context, err);
        free(entries[i]);
    }
    free(entries);
    return failed;
}
