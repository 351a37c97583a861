/* SPDX-License-Identifier: Apache-2.0 */
/* Templates as files: what is read is what was written, and what remains after a failure. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "tests/unit/open_descriptors.h"
#include "tests/unit/short_memory.h"
#include "worker/template_disk.h"
#include "worker/template_key.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MEMORY_BYTES (8 << 20)

static char folder[] = "/tmp/pe-test-template-XXXXXX";
static char key[TEMPLATE_KEY_SIZE];
static struct worker_config config = {.templates = {.dir = folder, .mib = 100}};
static struct vm_snapshot snapshot;

void vm_snapshot_close(struct vm_snapshot *closed)
{
    pe_cleanup_close(&closed->memory_fd);
    pe_cleanup_close(&closed->state_fd);
    *closed = VM_SNAPSHOT_NONE;
}

static int set_up(void **state)
{
    (void)state;
    memset(key, 'a', sizeof key - 1);
    snapshot.memory_fd = memfd_create("memory", MFD_CLOEXEC);
    snapshot.state_fd = memfd_create("state", MFD_CLOEXEC);
    return mkdtemp(folder) && ftruncate(snapshot.memory_fd, MEMORY_BYTES) == 0 &&
                   pwrite(snapshot.memory_fd, "page", 4, MEMORY_BYTES / 2) == 4 &&
                   pwrite(snapshot.state_fd, "registers", 9, 0) == 9
               ? 0
               : -1;
}

/* Fails if something is left. */
static int tear_down(void **state)
{
    (void)state;
    vm_snapshot_close(&snapshot);
    return rmdir(folder);
}

static void a_template_is_read_as_it_was_written_and_sealed(void **state)
{
    (void)state;
    struct pe_error err;
    struct vm_snapshot read = VM_SNAPSHOT_NONE;
    struct stat memory;
    char text[10] = "";
    if (template_disk_store(&config, key, &snapshot, &err) < 0 ||
        template_disk_load(&config, key, &read, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(fstat(read.memory_fd, &memory), 0);
    assert_int_equal(memory.st_size, MEMORY_BYTES);
    assert_true(memory.st_blocks * 512 < MEMORY_BYTES / 2); /* holes stay holes */
    assert_int_equal(pread(read.memory_fd, text, 4, MEMORY_BYTES / 2), 4);
    assert_string_equal(text, "page");
    assert_int_equal(pread(read.state_fd, text, 9, 0), 9);
    assert_string_equal(text, "registers");
    assert_true(fcntl(read.memory_fd, F_GET_SEALS) & F_SEAL_WRITE);
    vm_snapshot_close(&read);
    template_disk_remove(&config, key);
}

static void a_template_that_cannot_get_its_name_leaves_nothing(void **state)
{
    (void)state;
    struct pe_error err;
    char place[128], other[160];
    snprintf(place, sizeof place, "%s/%s", folder, key);
    snprintf(other, sizeof other, "%s/other", place);
    assert_int_equal(mkdir(place, 0700), 0);
    assert_int_equal(mkdir(other, 0700), 0);
    assert_int_equal(template_disk_store(&config, key, &snapshot, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot rename a new template");
    assert_int_equal(rmdir(other), 0);
    assert_int_equal(rmdir(place), 0);
}

static void a_template_without_descriptors_leaves_nothing(void **state)
{
    (void)state;
    struct pe_error err;
    struct rlimit before;
    pe_autoclose int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    /* enough for the folder of all templates, and not for that of the new one */
    const struct rlimit few = {.rlim_cur = (rlim_t)next + 2, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int stored = template_disk_store(&config, key, &snapshot, &err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(stored, -1);
    assert_error(err, PE_ERR_INTERNAL, "cannot open the folder of a new template: Too many open files");
}

static void without_memory_to_count_the_templates_nothing_stays_open(void **state)
{
    (void)state;
    struct pe_error err;
    size_t before = count_descriptors();
    is_memory_short = true;
    int stored = template_disk_store(&config, key, &snapshot, &err);
    is_memory_short = false;
    assert_int_equal(stored, 0);
    assert_int_equal(count_descriptors(), before);
    template_disk_remove(&config, key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_template_is_read_as_it_was_written_and_sealed),
        cmocka_unit_test(a_template_that_cannot_get_its_name_leaves_nothing),
        cmocka_unit_test(a_template_without_descriptors_leaves_nothing),
        cmocka_unit_test(without_memory_to_count_the_templates_nothing_stays_open),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
