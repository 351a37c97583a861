/* SPDX-License-Identifier: Apache-2.0 */
/* Writing, publishing and undoing the files of a host that joins. What is in them is worker/join.c's
 * business. */
#include "worker/join_files.h"

#include "base/cleanup.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STAGE ".join"
#define TOKEN_PREFIX "host-"
#define TOKEN_BYTES 32u

static const char *const names[JOIN_FILE_COUNT] = {
    [JOIN_TOKEN] = "token",
    [JOIN_CA] = "balancer-ca.pem",
    [JOIN_SETTINGS] = "worker.env",
    [JOIN_UNIT] = "pe-worker.service",
};

void join_files_path(const struct join_files *files, enum join_file file, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", file == JOIN_UNIT ? files->units : files->settings, names[file]);
}

static void staged_path(const struct join_files *files, enum join_file file, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", files->stage, names[file]);
}

static int sync_folder(const char *path, struct pe_error *err)
{
    pe_autoclose int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && fsync(fd) == 0 ? 0 : pe_fail_errno(err, "cannot write %s to the disk", path);
}

/* ---- undoing ---- */

/* Remove a file that has appeared, unless it is another one. */
static void retract(const struct join_files *files, enum join_file file)
{
    char path[PATH_MAX], staged[PATH_MAX];
    struct stat ours, theirs;
    join_files_path(files, file, path);
    staged_path(files, file, staged);
    if (lstat(staged, &ours) == 0 && lstat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
        ours.st_dev == theirs.st_dev)
        unlink(path);
}

static void retract_all(const struct join_files *files)
{
    for (int file = 0; file < JOIN_FILE_COUNT; file++)
        retract(files, (enum join_file)file);
}

static void empty_stage(const struct join_files *files)
{
    char staged[PATH_MAX];
    for (int file = JOIN_FILE_COUNT - 1; file >= 0; file--) { /* the token last: the balancer may know it */
        staged_path(files, (enum join_file)file, staged);
        unlink(staged);
    }
}

void join_files_keep(const struct join_files *files)
{
    empty_stage(files);
    rmdir(files->stage);
}

void join_files_undo(const struct join_files *files)
{
    retract_all(files);
    join_files_keep(files);
    rmdir(files->settings); /* if this made it */
}

/* ---- beginning ---- */

/* Read the token of an attempt that was killed. */
static bool read_token(const struct join_files *files, char token[JOIN_TOKEN_SIZE])
{
    char path[PATH_MAX];
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    const size_t size = strlen(TOKEN_PREFIX) + 2 * TOKEN_BYTES;
    staged_path(files, JOIN_TOKEN, path);
    if (pe_read_file(AT_FDCWD, path, JOIN_TOKEN_SIZE, &text, &ignored) < 0 || text.size != size + 1)
        return false;
    memcpy(token, text.data, size);
    token[size] = '\0';
    return true;
}

static int check_free(const struct join_files *files, struct pe_error *err)
{
    static const enum join_file wanted[] = {JOIN_SETTINGS, JOIN_TOKEN};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        char path[PATH_MAX];
        join_files_path(files, wanted[i], path);
        if (access(path, F_OK) == 0)
            return pe_fail(
                err, PE_ERR_INVALID,
                "this host is a worker or a balancer already, because %s exists; to let it join "
                "another balancer, run `systemctl disable --now pe-worker` and move that file away",
                path);
    }
    return 0;
}

/* The hidden folder is locked until this process ends, so that two of them do not undo one another's work. */
static int open_stage(struct join_files *files, struct pe_error *err)
{
    struct stat folder;
    if (mkdir(files->settings, 0755) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot create the folder %s", files->settings);
    if (mkdir(files->stage, 0700) < 0 && errno != EEXIST) {
        pe_fail_errno(err, "cannot create the folder %s", files->stage);
        rmdir(files->settings);
        return -1;
    }
    files->lock = open(files->stage, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (files->lock < 0)
        return pe_fail_errno(err, "cannot open the folder %s", files->stage);
    /* A process that has just ended may have removed the folder, which then has no name any more. */
    if (flock(files->lock, LOCK_EX | LOCK_NB) < 0 || fstat(files->lock, &folder) < 0 || !folder.st_nlink)
        return pe_fail(err, PE_ERR_BUSY,
                       "another `pe-worker join` runs on this host; wait until it has ended");
    return 0;
}

int join_files_begin(struct join_files *files, const char *settings, const char *units,
                     char token[JOIN_TOKEN_SIZE], struct pe_error *err)
{
    *files = (struct join_files){.settings = settings, .units = units};
    snprintf(files->stage, sizeof files->stage, "%s/" STAGE, settings);
    if (open_stage(files, err) < 0)
        return -1;
    memcpy(token, TOKEN_PREFIX, sizeof TOKEN_PREFIX);
    if (!read_token(files, token))
        pe_random_hex(token + strlen(TOKEN_PREFIX), TOKEN_BYTES);
    retract_all(files);
    empty_stage(files);
    if (check_free(files, err) == 0)
        return 0;
    join_files_undo(files);
    return -1;
}

int join_files_add(struct join_files *files, enum join_file file, const void *text, size_t size,
                   struct pe_error *err)
{
    char path[PATH_MAX];
    staged_path(files, file, path);
    pe_autoclose int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot create %s", path);
    if (pe_write_all(fd, text, size, path, err) < 0)
        return -1;
    if ((file == JOIN_UNIT || file == JOIN_CA) && fchmod(fd, 0644) < 0)
        return pe_fail_errno(err, "cannot change the mode of %s", path);
    if (fsync(fd) < 0)
        return pe_fail_errno(err, "cannot write %s to the disk", path);
    files->has[file] = true;
    return sync_folder(files->stage, err);
}

int join_files_publish(const struct join_files *files, struct pe_error *err)
{
    for (int file = 0; file < JOIN_FILE_COUNT; file++) {
        char staged[PATH_MAX], path[PATH_MAX];
        if (!files->has[file])
            continue;
        staged_path(files, (enum join_file)file, staged);
        join_files_path(files, (enum join_file)file, path);
        if (link(staged, path) < 0)
            return pe_fail_errno(err, "cannot create %s", path);
    }
    return sync_folder(files->settings, err);
}
