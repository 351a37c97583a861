/* SPDX-License-Identifier: Apache-2.0 */
/* Children that talk to their parent, are waited for, and end with it. */
#include "base/child.h"
#include "base/cleanup.h"
#include "tests/unit/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Fork a child that does `work` with its end of the socket, and exits with what that returns. */
static pid_t start(int (*work)(int socket), int *socket)
{
    struct pe_error err;
    const pid_t pid = pe_child_fork("a child", socket, &err);
    if (pid == 0)
        _exit(work(*socket));
    assert_true(pid > 0);
    return pid;
}

static int answer_with_more(int socket)
{
    char byte = 0;
    if (recv(socket, &byte, 1, 0) != 1)
        return 1;
    byte++;
    return send(socket, &byte, 1, 0) == 1 ? 7 : 1;
}

static void a_child_and_its_parent_have_a_socket(void **state)
{
    int fd = -1;
    char byte = 'a';
    (void)state;
    const pid_t pid = start(answer_with_more, &fd);
    pe_autoclose int socket = fd;
    assert_int_equal(send(socket, &byte, 1, 0), 1);
    assert_int_equal(recv(socket, &byte, 1, 0), 1);
    assert_int_equal(byte, 'b');
    assert_int_equal(recv(socket, &byte, 1, 0), 0); /* nobody else has the other end */
    const int status = pe_child_await(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
}

static int sleep_for_ever(int socket)
{
    (void)socket;
    while (pause() < 0)
        ;
    return 0;
}

static void a_child_that_was_killed_has_ended(void **state)
{
    int fd = -1;
    (void)state;
    const pid_t pid = start(sleep_for_ever, &fd);
    pe_autoclose int socket = fd;
    const int status = pe_child_kill(pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* The child of this child keeps the socket open for as long as it lives. */
static int leave_a_child(int socket)
{
    const pid_t parent = getpid();
    char byte = 0;
    if (fork() == 0) {
        if (pe_child_die_with(parent) < 0 || send(socket, &byte, 1, 0) != 1)
            _exit(1);
        sleep_for_ever(socket);
    }
    return recv(socket, &byte, 1, 0) == 1 ? 0 : 1;
}

static void a_child_dies_with_its_parent(void **state)
{
    int fd = -1;
    char byte = 0;
    (void)state;
    const pid_t pid = start(leave_a_child, &fd);
    pe_autoclose int socket = fd;
    assert_int_equal(recv(socket, &byte, 1, 0), 1);
    assert_int_equal(send(socket, &byte, 1, 0), 1);
    const int status = pe_child_await(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(recv(socket, &byte, 1, 0), 0);
}

static int die_with_itself(int socket)
{
    (void)socket;
    return pe_child_die_with(getpid()) < 0 ? 0 : 1;
}

static void a_child_of_another_parent_is_told(void **state)
{
    int fd = -1;
    (void)state;
    const pid_t pid = start(die_with_itself, &fd);
    pe_autoclose int socket = fd;
    const int status = pe_child_await(pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_and_its_parent_have_a_socket),
        cmocka_unit_test(a_child_that_was_killed_has_ended),
        cmocka_unit_test(a_child_dies_with_its_parent),
        cmocka_unit_test(a_child_of_another_parent_is_told),
    };
    return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
