/* SPDX-License-Identifier: Apache-2.0 */
/* Control of a VM of QEMU that ends in the middle of a dialog, or without memory. What an intact one does is
 * in tests/pe_vm/test_qemu.py. */
#include "base/cleanup.h"
#include "tests/unit/check.h"
#include "tests/unit/starve_json.h"
#include "worker/vmm/control.h"
#include "worker/vmm/driver.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* There is no VMM that could have said something. */
int vmm_explain(const struct vm *vm, struct pe_error *err)
{
    (void)vm, (void)err;
    return -1;
}

/* A file with all commands that QEMU was sent, one a line. */
static int sent = -1;

/* Answer so many commands as QEMU does when they succeed, and end. */
static void play_qemu(int socket, int commands) __attribute__((noreturn));
static void play_qemu(int socket, int commands)
{
    char command[4096];
    while (commands-- > 0) {
        ssize_t size = read(socket, command, sizeof command - 1);
        if (size <= 0)
            _exit(1);
        command[size] = '\0';
        if (sent >= 0)
            dprintf(sent, "%s\n", command);
        if (dprintf(socket, "{\"return\": %s}\n",
                    strstr(command, "query-hotpluggable-cpus")
                        ? "[{\"type\": \"host-x86_64-cpu\", \"props\": {\"socket-id\": 1}}]"
                        : "{}") < 0)
            _exit(1);
    }
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

/* ---- without memory ---- */

enum { COMMANDS_MAX = 100 };

static const char *argument(const json_t *command, const char *name)
{
    const char *text = json_string_value(json_object_get(json_object_get(command, "arguments"), name));
    return text ? text : "";
}

/* QEMU would plug a device without its bus elsewhere, and take one without its driver for another one. */
static void assert_complete(const json_t *command)
{
    assert_true(json_is_object(json_object_get(command, "arguments")));
    if (strcmp(json_string_value(json_object_get(command, "execute")), "device_add") != 0)
        return;
    const char *driver = argument(command, "driver");
    assert_true(driver[0]);
    if (!strcmp(driver, "virtio-blk-pci"))
        assert_string_equal(argument(command, "bus"), "port-0");
}

static void assert_sent_complete(void)
{
    char line[4096];
    assert_int_equal(lseek(sent, 0, SEEK_SET), 0);
    FILE *file = fdopen(sent, "r");
    sent = -1;
    while (fgets(line, sizeof line, file)) {
        json_t *command = json_loads(line, 0, NULL);
        if (command) /* jansson may lose a key without memory; QEMU refuses what is no JSON then */
            assert_complete(command);
        json_decref(command);
    }
    (void)!fclose(file);
}

static void change(struct vm_control *control)
{
    const struct vm_spec spec = {.memory_mib = 256, .cpus = 1};
    struct pe_error ignored;
    pe_autoclose int disk = open("/dev/null", O_RDWR | O_CLOEXEC);
    (void)!qemu_control.add_disk(control, "disk-1", &(struct vm_disk){.fd = disk}, &ignored);
    (void)!qemu_control.resize(control, &spec, 384, 2, &ignored);
}

static void a_command_has_all_its_arguments_or_is_not_sent(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        struct vm vm = VM_NONE;
        sent = memfd_create("sent", MFD_CLOEXEC);
        begin(&vm, COMMANDS_MAX);
        struct vm_control control = {.vm = &vm};
        starve_json(n);
        change(&control);
        failed = feed_json();
        vm_control_free(&control);
        close(vm.manage_fd);
        assert_int_equal(waitpid(vm.pid, NULL, 0), vm.pid);
        assert_sent_complete();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_to_a_qemu_that_has_ended_says_so),
        cmocka_unit_test(a_qemu_that_ends_is_not_waited_for_until_it_gives_up_a_device),
        cmocka_unit_test(a_command_has_all_its_arguments_or_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
