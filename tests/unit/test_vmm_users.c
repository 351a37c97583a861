/* SPDX-License-Identifier: Apache-2.0 */
/* The users of VMMs and slots: which ones a worker gets, and for how long. */
#include "tests/unit/check.h"
#include "worker/host/vmm_users.h"
#include "worker/host/worker_dir.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/pe-test-users-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    worker_dir_remove(folder);
    return 0;
}

/* Lock users as a worker does that starts now. */
static int lock(uid_t *first)
{
    struct pe_error err;
    int fd = vmm_users_lock(folder, first, &err);
    assert_true(fd >= 0);
    return fd;
}

static void no_two_workers_of_a_host_have_a_user_in_common(void **state)
{
    (void)state;
    enum { WORKERS = 5 };
    uid_t first[WORKERS];
    int locks[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        locks[i] = lock(&first[i]);
        assert_true(first[i] >= 2000000000u);
        for (int j = 0; j < i; j++)
            assert_true(first[i] >= first[j] + VMM_USERS || first[j] >= first[i] + VMM_USERS);
    }
    for (int i = 0; i < WORKERS; i++)
        close(locks[i]);
}

static void users_are_free_again_when_the_last_process_of_their_worker_has_ended(void **state)
{
    (void)state;
    uid_t first, other, again;
    int held = lock(&first), ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t slot = fork(); /* it inherits the lock */
    if (slot == 0) {
        char byte;
        close(ends[1]);
        _exit(read(ends[0], &byte, 1) != 0);
    }
    close(held);
    held = lock(&other);
    assert_int_not_equal(other, first);
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(waitpid(slot, NULL, 0), slot);
    pe_autoclose int free_again = lock(&again);
    assert_int_equal(again, first);
    close(held);
}

static void each_process_of_a_worker_has_a_user_of_its_own_in_what_is_locked(void **state)
{
    (void)state;
    const uid_t first = 2000000000u, most = VMM_USERS / VMM_USER_KINDS - 1;
    assert_true(vmm_user(first, VMM_USER_VMM, most) < vmm_user(first, VMM_USER_SLOT, 0));
    assert_true(vmm_user(first, VMM_USER_SLOT, most) < vmm_user(first, VMM_USER_LINK, 0));
    assert_true(vmm_user(first, VMM_USER_LINK, most) < first + VMM_USERS);
    assert_int_not_equal(vmm_user(first, VMM_USER_VMM, 0), vmm_user(first, VMM_USER_VMM, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(no_two_workers_of_a_host_have_a_user_in_common, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(users_are_free_again_when_the_last_process_of_their_worker_has_ended,
                                        make_folder, remove_folder),
        cmocka_unit_test(each_process_of_a_worker_has_a_user_of_its_own_in_what_is_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
