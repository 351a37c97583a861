/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that the agent in a guest of pe-vm cannot start. */
#include "tests/unit/check.h"
#include "tests/unit/open_descriptors.h"
#include "vm/guest/command.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Start `true` while only `room` more descriptors can be opened. */
static int start_with_room_for(unsigned room, struct command *command, struct command_end *end)
{
    struct pe_error err = {0};
    struct rlimit before;
    const int next = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(command_add_arguments(command, "true", sizeof "true", &err), 0);
    const struct rlimit few = {.rlim_cur = (rlim_t)next + room, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int failed = command_start(command, end);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return failed;
}

static void without_descriptors_a_command_is_not_started_and_leaves_none(void **state)
{
    (void)state;
    for (unsigned room = 0; room < 8; room++) { /* three pipes, and one to report a failure */
        struct command command = COMMAND_NONE;
        struct command_end end = {0};
        size_t before = count_descriptors();
        assert_int_equal(start_with_room_for(room, &command, &end), -1);
        assert_int_equal(end.how, AGENT_NOT_STARTED);
        assert_non_null(strstr(end.why, "Too many open files"));
        assert_int_equal(count_descriptors(), before);
        command_close(&command);
        assert_int_equal(count_descriptors(), before);
    }
}

static void a_program_that_does_not_exist_leaves_no_descriptors(void **state)
{
    (void)state;
    static const char program[] = "/no such program";
    struct command command = COMMAND_NONE;
    struct command_end end = {0};
    struct pe_error err = {0};
    size_t before = count_descriptors();
    assert_int_equal(command_add_arguments(&command, program, sizeof program, &err), 0);
    assert_int_equal(command_start(&command, &end), -1);
    assert_string_equal(end.why, "cannot run /no such program: No such file or directory");
    assert_int_equal(count_descriptors(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_descriptors_a_command_is_not_started_and_leaves_none),
        cmocka_unit_test(a_program_that_does_not_exist_leaves_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
