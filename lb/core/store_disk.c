/* SPDX-License-Identifier: Apache-2.0 */
/* The LMDB tables. Commits are not synced one by one. A crash of the process loses nothing; a
 * crash of the machine loses at most the last seconds. The checksum of each result detects data
 * that such a crash has damaged. */
#include "lb/core/store_disk.h"

#include "base/cleanup.h"
#include "lb/core/job_result.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TABLES = 4,
    PAGE = 4096,
    LOCKS = 2 * PAGE,        /* bytes of LMDB's file of locks, which has 126 readers by default */
    OVERHEAD = 512,          /* bytes that a result needs in the small tables, roughly */
    SLACK = 32 * 1024 * 1024 /* bytes in the map for pages that were freed and not reused yet */
};

struct use {
    uint64_t number; /* big endian, so that the table is sorted by it */
    uint64_t bytes;
};

static int fail(int code, const char *what, struct pe_error *err)
{
    return pe_fail(err, PE_ERR_INTERNAL, "the result store on disk failed: %s: %s", what, mdb_strerror(code));
}

static MDB_val value_of(const void *bytes, size_t size)
{
    return (MDB_val){.mv_size = size, .mv_data = (void *)bytes};
}

static MDB_val value_of_key(const struct job_key *key)
{
    return value_of(key->bytes, sizeof key->bytes);
}

/* ---- opening ---- */

static int open_tables(struct store_disk *disk)
{
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(disk->env, NULL, 0, &txn);
    if (code)
        return code;
    if ((code = mdb_dbi_open(txn, "results", MDB_CREATE, &disk->results)) ||
        (code = mdb_dbi_open(txn, "uses", MDB_CREATE, &disk->uses)) ||
        (code = mdb_dbi_open(txn, "numbers", MDB_CREATE, &disk->numbers)) ||
        (code = mdb_dbi_open(txn, "totals", MDB_CREATE, &disk->totals))) {
        mdb_txn_abort(txn);
        return code;
    }
    return mdb_txn_commit(txn);
}

static int open_environment(struct store_disk *disk, const char *folder)
{
    int code = mdb_env_create(&disk->env);
    if (code)
        return code;
    size_t map = (size_t)(disk->bytes_max + disk->bytes_max / 4 + SLACK) / PAGE * PAGE;
    if ((code = mdb_env_set_maxdbs(disk->env, TABLES)) || (code = mdb_env_set_mapsize(disk->env, map)) ||
        (code = mdb_env_open(disk->env, folder, MDB_NOSYNC | MDB_NORDAHEAD, 0600)) ||
        (code = open_tables(disk)))
        store_disk_close(disk);
    return code;
}

static void empty_folder(const char *folder)
{
    static const char *const names[] = {"data.mdb", "lock.mdb"};
    char path[4096];
    for (int i = 0; i < 2; i++)
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]) < (int)sizeof path)
            unlink(path);
}

/* LMDB maps its file of locks without reserving its blocks. On a full disk, the first access to the map
 * would end the process with SIGBUS. */
static int reserve_locks(const char *folder, struct pe_error *err)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/lock.mdb", folder) >= (int)sizeof path)
        return pe_fail(err, PE_ERR_INVALID, "the name of the folder %s is too long", folder);
    pe_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return pe_fail_errno(err, "cannot open %s", path);
    errno = posix_fallocate(fd, 0, LOCKS);
    return errno ? pe_fail_errno(err, "cannot keep results on disk: no room for %s", path) : 0;
}

int store_disk_open(struct store_disk *disk, const char *folder, uint64_t bytes_max, struct pe_error *err)
{
    *disk = (struct store_disk){.bytes_max = bytes_max};
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return pe_fail_errno(err, "cannot make the folder %s", folder);
    if (reserve_locks(folder, err) < 0)
        return -1;
    int code = open_environment(disk, folder);
    if (code == MDB_INVALID || code == MDB_CORRUPTED || code == MDB_VERSION_MISMATCH || code == MDB_PANIC) {
        empty_folder(folder);
        code = open_environment(disk, folder);
    }
    return code ? fail(code, folder, err) : 0;
}

void store_disk_close(struct store_disk *disk)
{
    if (disk->env)
        mdb_env_close(disk->env);
    disk->env = NULL;
}

void store_disk_sync(struct store_disk *disk)
{
    if (disk->env)
        mdb_env_sync(disk->env, 1);
}

/* ---- totals and uses ---- */

static uint64_t read_total(MDB_txn *txn, const struct store_disk *disk, const char *name)
{
    MDB_val key = value_of(name, strlen(name)), value;
    uint64_t total = 0;
    if (mdb_get(txn, disk->totals, &key, &value) == 0 && value.mv_size == sizeof total)
        memcpy(&total, value.mv_data, sizeof total);
    return total;
}

static int write_total(MDB_txn *txn, const struct store_disk *disk, const char *name, uint64_t total)
{
    MDB_val key = value_of(name, strlen(name)), value = value_of(&total, sizeof total);
    return mdb_put(txn, disk->totals, &key, &value, 0);
}

static int find_use(MDB_txn *txn, const struct store_disk *disk, const struct job_key *key, struct use *use)
{
    MDB_val name = value_of_key(key), value;
    int code = mdb_get(txn, disk->numbers, &name, &value);
    if (code)
        return code;
    if (value.mv_size != sizeof *use)
        return MDB_CORRUPTED;
    memcpy(use, value.mv_data, sizeof *use);
    return 0;
}

/* Record that `key` was used just now. */
static int note_use(MDB_txn *txn, const struct store_disk *disk, const struct job_key *key, uint64_t bytes)
{
    struct use old;
    uint64_t number = read_total(txn, disk, "uses") + 1;
    struct use use = {.number = htobe64(number), .bytes = bytes};
    MDB_val name = value_of_key(key);
    int code = find_use(txn, disk, key, &old);
    if (code == 0) {
        MDB_val old_number = value_of(&old.number, sizeof old.number);
        code = mdb_del(txn, disk->uses, &old_number, NULL);
    }
    if (code && code != MDB_NOTFOUND)
        return code;
    MDB_val number_value = value_of(&use.number, sizeof use.number), use_value = value_of(&use, sizeof use);
    if ((code = mdb_put(txn, disk->uses, &number_value, &name, 0)) ||
        (code = mdb_put(txn, disk->numbers, &name, &use_value, 0)))
        return code;
    return write_total(txn, disk, "uses", number);
}

/* ---- removing ---- */

static int remove_key(MDB_txn *txn, const struct store_disk *disk, const struct job_key *key, uint64_t *bytes)
{
    struct use use;
    int code = find_use(txn, disk, key, &use);
    if (code)
        return code == MDB_NOTFOUND ? 0 : code;
    MDB_val name = value_of_key(key), number = value_of(&use.number, sizeof use.number);
    *bytes -= use.bytes < *bytes ? use.bytes : *bytes;
    if ((code = mdb_del(txn, disk->uses, &number, NULL)) || (code = mdb_del(txn, disk->numbers, &name, NULL)))
        return code;
    code = mdb_del(txn, disk->results, &name, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Remove the results that were not used for longest until `room` more bytes fit. */
static int make_room(MDB_txn *txn, const struct store_disk *disk, uint64_t room, uint64_t *bytes)
{
    while (*bytes && *bytes + room > disk->bytes_max) {
        MDB_cursor *cursor = NULL;
        MDB_val number, name;
        struct job_key key = {{0}};
        int code = mdb_cursor_open(txn, disk->uses, &cursor);
        if (code)
            return code;
        code = mdb_cursor_get(cursor, &number, &name, MDB_FIRST);
        if (code == 0 && name.mv_size == sizeof key.bytes)
            memcpy(key.bytes, name.mv_data, sizeof key.bytes);
        mdb_cursor_close(cursor);
        if (code || (code = remove_key(txn, disk, &key, bytes)))
            return code == MDB_NOTFOUND ? MDB_CORRUPTED : code;
    }
    return 0;
}

/* ---- reading and storing ---- */

int store_disk_get(struct store_disk *disk, const struct job_key *key, struct pe_buf *out,
                   struct pe_error *err)
{
    MDB_txn *txn = NULL;
    MDB_val name = value_of_key(key), value;
    int code = mdb_txn_begin(disk->env, NULL, 0, &txn);
    if (code)
        return fail(code, "beginning to read", err);
    struct use use = {0};
    int appended = 0;
    if ((code = mdb_get(txn, disk->results, &name, &value)) == 0) {
        appended = pe_buf_append(out, value.mv_data, value.mv_size, err);
        code = find_use(txn, disk, key, &use);
    }
    if (code || appended < 0 || (code = note_use(txn, disk, key, use.bytes))) {
        mdb_txn_abort(txn);
        return appended < 0 ? -1 : code == MDB_NOTFOUND ? 0 : fail(code, "reading", err);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(code, "noting a use", err) : 1;
}

static int put_result(MDB_txn *txn, const struct store_disk *disk, const struct job_key *key,
                      const void *bytes, size_t size)
{
    uint64_t counts = (size + PAGE - 1) / PAGE * PAGE + OVERHEAD;
    uint64_t total = read_total(txn, disk, "bytes");
    MDB_val name = value_of_key(key), value = value_of(bytes, size);
    int code = remove_key(txn, disk, key, &total);
    if (code || (code = make_room(txn, disk, counts, &total)) ||
        (code = mdb_put(txn, disk->results, &name, &value, 0)) || (code = note_use(txn, disk, key, counts)))
        return code;
    return write_total(txn, disk, "bytes", total + counts);
}

int store_disk_put(struct store_disk *disk, const struct job_key *key, const void *bytes, size_t size,
                   struct pe_error *err)
{
    MDB_txn *txn = NULL;
    if (size + OVERHEAD + PAGE > disk->bytes_max / 8)
        return 0; /* one result must not evict all others */
    int code = mdb_txn_begin(disk->env, NULL, 0, &txn);
    if (code)
        return fail(code, "beginning to write", err);
    if ((code = put_result(txn, disk, key, bytes, size))) {
        mdb_txn_abort(txn);
        return fail(code, "writing", err);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(code, "committing", err) : 0;
}

int store_disk_remove(struct store_disk *disk, const struct job_key *key, struct pe_error *err)
{
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(disk->env, NULL, 0, &txn);
    if (code)
        return fail(code, "beginning to delete", err);
    uint64_t total = read_total(txn, disk, "bytes");
    if ((code = remove_key(txn, disk, key, &total)) || (code = write_total(txn, disk, "bytes", total))) {
        mdb_txn_abort(txn);
        return fail(code, "deleting", err);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(code, "committing", err) : 0;
}

/* ---- age ---- */

/* The key behind a key; behind the last one, all zeros. */
static void advance(struct job_key *key)
{
    size_t i = sizeof key->bytes;
    while (i > 0 && ++key->bytes[i - 1] == 0)
        i--;
}

/* Look at one result, at `from` or behind it, and move `from` behind that. */
static int expire_next(MDB_txn *txn, const struct store_disk *disk, uint64_t age_max_s, struct job_key *from,
                       uint64_t *total)
{
    MDB_cursor *cursor = NULL;
    MDB_val name = value_of_key(from), value;
    int code = mdb_cursor_open(txn, disk->results, &cursor);
    if (code)
        return code;
    code = mdb_cursor_get(cursor, &name, &value, MDB_SET_RANGE);
    if (!code && name.mv_size != sizeof from->bytes)
        code = MDB_CORRUPTED;
    if (!code)
        memcpy(from->bytes, name.mv_data, sizeof from->bytes);
    bool is_old = !code && job_result_is_older(job_result_stored_at(value.mv_data, value.mv_size), age_max_s);
    mdb_cursor_close(cursor);
    if (is_old)
        code = remove_key(txn, disk, from, total);
    if (!code)
        advance(from);
    return code;
}

static int expire_some(MDB_txn *txn, const struct store_disk *disk, uint64_t age_max_s, unsigned count,
                       struct job_key *from)
{
    uint64_t total = read_total(txn, disk, "bytes");
    int code = 0;
    while (!code && count-- > 0)
        code = expire_next(txn, disk, age_max_s, from, &total);
    if (code == MDB_NOTFOUND) {
        *from = (struct job_key){{0}};
        code = 0;
    }
    return code ? code : write_total(txn, disk, "bytes", total);
}

int store_disk_expire(struct store_disk *disk, uint64_t age_max_s, unsigned count, struct job_key *from,
                      struct pe_error *err)
{
    MDB_txn *txn = NULL;
    int code = mdb_txn_begin(disk->env, NULL, 0, &txn);
    if (code)
        return fail(code, "beginning to remove old results", err);
    if ((code = expire_some(txn, disk, age_max_s, count, from))) {
        mdb_txn_abort(txn);
        return fail(code, "removing old results", err);
    }
    code = mdb_txn_commit(txn);
    return code ? fail(code, "committing", err) : 0;
}
