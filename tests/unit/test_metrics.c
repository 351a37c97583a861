/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a worker's metrics: it is there as a whole, or as it was before. */
#include "tests/unit/check.h"
#include "worker/metrics.h"

#include "base/buffer.h"
#include "base/io.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/pe-test-metrics-XXXXXX";
static char path[64], unfinished[80];
static struct metrics *metrics;

static int set_up(void **state)
{
    struct pe_error err;
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/worker.prom", folder);
    snprintf(unfinished, sizeof unfinished, "%s.new", path);
    metrics = metrics_make(&err);
    return metrics ? 0 : -1;
}

/* Fails if something is left. */
static int tear_down(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void write_metrics(void)
{
    struct pe_error err;
    if (metrics_write(metrics, PE_ISOLATION_KERNEL, path, &err) < 0)
        fail_msg("%s", err.message);
}

static void assert_file_has(const char *part)
{
    struct pe_error err;
    pe_autobuf struct pe_buf text = {0};
    if (pe_read_file(AT_FDCWD, path, 1 << 20, &text, &err) < 0 || pe_buf_append(&text, "", 1, &err) < 0)
        fail_msg("%s", err.message);
    if (!strstr((const char *)text.data, part))
        fail_msg("'%s' is missing in: %s", part, (const char *)text.data);
}

static void the_file_counts_jobs_by_their_status(void **state)
{
    const struct pe_result result = {.status = PE_STATUS_TIMEOUT};
    (void)state;
    write_metrics();
    assert_file_has("pe_worker_info{isolation=\"kernel\"} 1\n");
    assert_file_has("pe_worker_jobs_total{status=\"timeout\"} 0\n");
    metrics_count(metrics, &result);
    write_metrics();
    assert_file_has("pe_worker_jobs_total{status=\"timeout\"} 1\n");
    assert_int_equal(access(unfinished, F_OK), -1);
    assert_int_equal(unlink(path), 0);
}

/* As on a full disk, a part of the file can be written, and the rest cannot. */
static int write_without_room(struct pe_error *err)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    const struct rlimit little = {.rlim_cur = 100, .rlim_max = before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
    const int written = metrics_write(metrics, PE_ISOLATION_KERNEL, path, err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
    return written;
}

static void a_file_without_room_leaves_the_old_one_and_nothing_else(void **state)
{
    struct pe_error err;
    (void)state;
    write_metrics();
    assert_int_equal(write_without_room(&err), -1);
    assert_error(err, PE_ERR_INTERNAL, "File too large");
    assert_int_equal(access(unfinished, F_OK), -1);
    assert_file_has("pe_worker_step_seconds_count{step=\"parse\"}");
    assert_int_equal(unlink(path), 0);
}

static void a_file_that_cannot_get_its_name_leaves_nothing(void **state)
{
    struct pe_error err;
    (void)state;
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(metrics_write(metrics, PE_ISOLATION_KERNEL, path, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot rename");
    assert_int_equal(access(unfinished, F_OK), -1);
    assert_int_equal(rmdir(path), 0);
}

static void a_path_that_is_too_long_is_refused_and_not_cut(void **state)
{
    struct pe_error err;
    char wide[PATH_MAX];
    (void)state;
    memset(wide, 'a', sizeof wide);
    wide[sizeof wide - 2] = '\0';
    assert_int_equal(metrics_write(metrics, PE_ISOLATION_KERNEL, wide, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "is too long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_file_counts_jobs_by_their_status),
        cmocka_unit_test(a_file_without_room_leaves_the_old_one_and_nothing_else),
        cmocka_unit_test(a_file_that_cannot_get_its_name_leaves_nothing),
        cmocka_unit_test(a_path_that_is_too_long_is_refused_and_not_cut),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
