/* SPDX-License-Identifier: Apache-2.0 */
/* Control of a VM of QEMU that ends in the middle of a dialog. What an intact one does is in
 * tests/pe_vm/test_qemu.py. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "worker/vmm/control.h"
#include "worker/vmm/driver.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* There is no VMM that could have said something. */
int vmm_explain(const struct vm *vm, struct pe_error *err)
{
    (void)vm, (void)err;
    return -1;
}

/* Answer so many commands as QEMU does when they succeed, and end. */
static void play_qemu(int socket, int commands) __attribute__((noreturn));
static void play_qemu(int socket, int commands)
{
    static const char done[] = "{\"return\": {}}\n";
    char command[4096];
    while (commands-- > 0)
        if (read(socket, command, sizeof command) <= 0 || write(socket, done, sizeof done - 1) < 0)
            _exit(1);
    _exit(0);
}

static void begin(struct vm *vm, int commands)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    vm->manage_fd = pair[0];
    vm->manage_begun = true;
    vm->pid = fork();
    if (vm->pid == 0) {
        close(pair[0]);
        play_qemu(pair[1], commands);
    }
    close(pair[1]);
}

static void end(struct vm *vm)
{
    assert_int_equal(waitpid(vm->pid, NULL, 0), vm->pid);
    close(vm->manage_fd);
}

static void a_command_to_a_qemu_that_has_ended_says_so(void **state)
{
    (void)state;
    struct vm vm = VM_NONE;
    struct pe_error err;
    siginfo_t info;
    begin(&vm, 0);
    assert_int_equal(waitid(P_PID, (id_t)vm.pid, &info, WEXITED | WNOWAIT), 0); /* its socket is closed */
    struct vm_control control = {.vm = &vm};
    assert_int_equal(qemu_control.pause(&control, &err), -1);
    assert_error(err, PE_ERR_LOST, "QEMU ended");
    vm_control_free(&control);
    end(&vm);
}

/* It answers the questions for the port of the device and for its removal. */
static void a_qemu_that_ends_is_not_waited_for_until_it_gives_up_a_device(void **state)
{
    (void)state;
    struct vm vm = VM_NONE;
    struct pe_error err;
    begin(&vm, 2);
    struct vm_control control = {.vm = &vm};
    assert_int_equal(qemu_control.remove(&control, "disk-1", &err), -1);
    assert_error(err, PE_ERR_LOST, "QEMU ended");
    vm_control_free(&control);
    end(&vm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_to_a_qemu_that_has_ended_says_so),
        cmocka_unit_test(a_qemu_that_ends_is_not_waited_for_until_it_gives_up_a_device),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
