/* SPDX-License-Identifier: Apache-2.0 */
/* The requests that a slot's helper answers, and those of a slot that was taken over, which it refuses. The
 * VM is a stand-in: a process that sleeps. Its serial port and log are files, and a boot writes the size of
 * its RAM to the log. */
#include "base/cleanup.h"
#include "base/fd_message.h"
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "worker/balancer_link.h"
#include "worker/job/machine.h"
#include "worker/job/memfile.h"
#include "worker/slot_helper.h"
#include "worker/slot_request.h"
#include "worker/template_channel.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MEMORY_MIB 3u
#define WAIT_MS 180000
#define SILENCE_MS 50

/* ---- stand-ins for the parts that start VMs, which run in the helper ---- */

static int left_behind[2] = {-1,
                             -1}; /* a pipe: its first end reads an end of file when no VM has its second */

static void sleep_for_ever(void) __attribute__((noreturn));
static void sleep_for_ever(void)
{
    for (;;)
        pause();
}

/* A VMM that was taken over: it starts a process, and that one another one and ends. */
static void become_vmm(void) __attribute__((noreturn));
static void become_vmm(void)
{
    if (left_behind[1] >= 0 && fork() == 0) {
        setsid();
        if (fork() == 0)
            sleep_for_ever();
        _exit(0);
    }
    sleep_for_ever();
}

static int start(const struct vm_spec *spec, struct vm *vm)
{
    *vm = VM_NONE;
    vm->pid = fork();
    if (vm->pid == 0)
        become_vmm();
    vm->serial_fd = memfd_create("serial", MFD_CLOEXEC);
    vm->log_fd = memfd_create("log", MFD_CLOEXEC);
    dprintf(vm->log_fd, "%u MiB", spec->memory_mib);
    return 0;
}

int vm_boot(const struct vm_host *host, const struct vm_spec *spec, struct vm *vm, struct pe_error *err)
{
    (void)host, (void)err;
    return start(spec, vm);
}

int vm_clone(const struct vm_host *host, const struct vm_spec *spec, const struct vm_snapshot *snapshot,
             struct vm *vm, struct pe_error *err)
{
    (void)host, (void)snapshot, (void)err;
    return start(spec, vm);
}

int vm_save(const struct vm_host *host, struct vm *vm, struct vm_snapshot *snapshot, struct pe_error *err)
{
    (void)host, (void)err;
    *snapshot = (struct vm_snapshot){.memory_fd = dup(vm->log_fd), .state_fd = dup(vm->log_fd)};
    vm_kill(vm);
    return 0;
}

void vm_kill(struct vm *vm)
{
    if (vm->pid > 0) {
        kill(vm->pid, SIGKILL);
        waitpid(vm->pid, NULL, 0);
    }
    pe_cleanup_close(&vm->serial_fd);
    pe_cleanup_close(&vm->log_fd);
    *vm = VM_NONE;
}

void vm_sweep(const struct vm_host *host)
{
    (void)host;
}

uint32_t machine_memory_mib(uint32_t job_mib)
{
    (void)job_mib;
    return MEMORY_MIB;
}

int template_channel_connect(const struct worker_config *config, struct pe_error *err)
{
    (void)config;
    return pe_fail(err, PE_ERR_LOST, "nobody listens");
}

/* ---- tests ---- */

static const struct worker_config config = {
    .balancers = {.count = 1, .items = {{.url = "http://127.0.0.1:1"}}},
    .token_fd = -1,
    .engine = {.snapshots = true}};

/* The descriptors of a correct request. */
struct devices {
    struct slot_helper helper;
    struct memfile input, output, live;
    int rootfs, memory, state;
};

static int sealed(size_t size)
{
    int fd = memfd_create("snapshot", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK), 0);
    return fd;
}

static int set_up(void **state)
{
    static struct devices devices;
    struct pe_error err;
    char path[] = "/tmp/pe-test-helper-XXXXXX";
    int file = mkstemp(path);
    assert_int_equal(ftruncate(file, PE_PMEM_ALIGN), 0);
    close(file);
    devices.rootfs = open(path, O_RDONLY | O_CLOEXEC);
    unlink(path);
    assert_int_equal(memfile_create("input", PE_INPUT_DEVICE_BYTES, &devices.input, &err), 0);
    assert_int_equal(memfile_create("output", PE_OUTPUT_DEVICE_BYTES, &devices.output, &err), 0);
    assert_int_equal(memfile_create("live", PE_LIVE_DEVICE_BYTES, &devices.live, &err), 0);
    devices.memory = sealed((size_t)MEMORY_MIB << 20);
    devices.state = sealed(10);
    assert_int_equal(slot_helper_start(&config, &devices.helper, &err), 0);
    *state = &devices;
    return 0;
}

static int tear_down(void **state)
{
    struct devices *devices = *state;
    memfile_close(&devices->input);
    memfile_close(&devices->output);
    memfile_close(&devices->live);
    close(devices->rootfs);
    close(devices->memory);
    close(devices->state);
    close(devices->helper.fd);
    return 0;
}

static struct vm_spec spec_of(const struct devices *devices)
{
    struct vm_spec spec = {.savable = false};
    spec.pmem[VM_PMEM_ROOTFS].fd = devices->rootfs;
    spec.pmem[VM_PMEM_INPUT].fd = devices->input.fd;
    spec.pmem[VM_PMEM_OUTPUT].fd = devices->output.fd;
    spec.pmem[VM_PMEM_LIVE].fd = devices->live.fd;
    return spec;
}

static void a_vm_is_started_and_killed(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    struct vm vm;
    char log[16] = "";
    const struct vm_spec spec = spec_of(devices);
    const struct vm_snapshot snapshot = {devices->memory, devices->state};
    const struct vm_snapshot *const kinds[] = {NULL, &snapshot};
    for (size_t i = 0; i < 2; i++) {
        if (slot_helper_start_vm(&devices->helper, &spec, kinds[i], &vm, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(pread(vm.log_fd, log, sizeof log - 1, 0), 5);
        assert_string_equal(log, "3 MiB");
        assert_true(vm.serial_fd >= 0);
        slot_helper_kill_vm(&devices->helper, &vm);
        assert_int_equal(vm.pid, -1);
    }
}

static void a_slot_has_one_vm(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    struct vm vm, second;
    const struct vm_spec spec = spec_of(devices);
    assert_int_equal(slot_helper_start_vm(&devices->helper, &spec, NULL, &vm, &err), 0);
    assert_int_equal(slot_helper_start_vm(&devices->helper, &spec, NULL, &second, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INVALID);
    slot_helper_kill_vm(&devices->helper, &vm);
}

/* The reply to the first request comes before that to the next one. */
static void a_slot_can_go_on_while_its_vm_dies(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    struct vm vm;
    const struct vm_spec spec = spec_of(devices);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(slot_helper_start_vm(&devices->helper, &spec, NULL, &vm, &err), 0);
        slot_helper_begin_kill_vm(&devices->helper, &vm);
        slot_helper_begin_kill_vm(&devices->helper, &vm); /* once more is harmless */
        assert_int_equal(slot_helper_connect_templates(&devices->helper, &err), -1);
        assert_string_equal(err.message, "nobody listens");
        slot_helper_kill_vm(&devices->helper, &vm);
        assert_int_equal(vm.pid, -1);
    }
}

static void a_small_output_is_copied_and_a_large_one_is_not(void **state)
{
    const struct devices *devices = *state;
    struct pe_error err;
    pe_autobuf struct pe_buf copy = {0};
    uint8_t *bytes = devices->output.bytes;
    assert_int_equal(memfile_copy_small(&devices->output, 8192, &copy, &err), 1);
    assert_int_equal(copy.size, 0);
    memset(bytes, 'x', 5000);
    assert_int_equal(memfile_copy_small(&devices->output, 8192, &copy, &err), 1);
    assert_int_equal(copy.size, 8192);
    bytes[0] = 'y';
    assert_int_equal(copy.data[0], 'x');
    bytes[8192] = 'x';
    assert_int_equal(memfile_copy_small(&devices->output, 8192, &copy, &err), 0);
}

/* Without a PID namespace nothing else would end them. */
static void nothing_that_a_vmm_started_outlives_it(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    struct vm vm;
    const struct vm_spec spec = spec_of(devices);
    struct slot_helper helper;
    assert_int_equal(pipe2(left_behind, O_CLOEXEC), 0);
    assert_int_equal(slot_helper_start(&config, &helper, &err), 0);
    assert_int_equal(slot_helper_start_vm(&helper, &spec, NULL, &vm, &err), 0);
    slot_helper_kill_vm(&helper, &vm);
    close(helper.fd);
    close(left_behind[1]);
    struct pollfd none_has_it = {.fd = left_behind[0]};
    assert_int_equal(poll(&none_has_it, 1, WAIT_MS), 1);
    assert_true(none_has_it.revents & POLLHUP);
    close(left_behind[0]);
    left_behind[0] = left_behind[1] = -1;
}

/* A VM of devices that are not what they must be is refused, and the helper goes on. */
static void is_refused(struct devices *devices, int role, int fd)
{
    struct pe_error err = {.kind = PE_ERR_INTERNAL};
    struct vm vm;
    struct vm_spec spec = spec_of(devices);
    struct vm_snapshot snapshot = {devices->memory, devices->state};
    if (role < VM_PMEM_COUNT)
        spec.pmem[role].fd = fd;
    else
        *(role == SLOT_FD_MEMORY ? &snapshot.memory_fd : &snapshot.state_fd) = fd;
    assert_int_equal(slot_helper_start_vm(&devices->helper, &spec, &snapshot, &vm, &err), -1);
    assert_int_equal(err.kind, PE_ERR_INVALID);
    assert_false(devices->helper.lost);
    close(fd);
}

static void wrong_descriptors_are_refused(void **state)
{
    struct devices *devices = *state;
    int plain = memfd_create("plain", MFD_CLOEXEC);
    assert_int_equal(ftruncate(plain, (off_t)MEMORY_MIB << 20), 0);
    is_refused(devices, VM_PMEM_ROOTFS, open("/dev/zero", O_RDONLY | O_CLOEXEC));
    is_refused(devices, VM_PMEM_ROOTFS, open("/", O_RDONLY | O_CLOEXEC));
    is_refused(devices, VM_PMEM_ROOTFS, dup(devices->output.fd)); /* open for writing */
    is_refused(devices, VM_PMEM_INPUT, dup(devices->output.fd));
    is_refused(devices, VM_PMEM_OUTPUT, dup(devices->rootfs));
    is_refused(devices, VM_PMEM_LIVE, dup(devices->output.fd));
    is_refused(devices, SLOT_FD_STATE, dup(plain));
    is_refused(devices, SLOT_FD_MEMORY, plain); /* a VMM could change it for all */
    is_refused(devices, SLOT_FD_MEMORY, sealed(4096));
}

static void connections_are_those_of_the_configuration(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    pe_autoclose int link = slot_helper_link_balancer(&devices->helper, 0, &err);
    assert_true(link >= 0);
    assert_int_equal(balancer_link_receive(link, BALANCER_LINK_MS, &err), -1);
    assert_int_equal(err.kind, PE_ERR_LOST);
    assert_non_null(strstr(err.message, "cannot connect to the balancer at http://127.0.0.1:1"));
    assert_int_equal(slot_helper_connect_templates(&devices->helper, &err), -1);
    assert_string_equal(err.message, "nobody listens");
}

/* The other end of the socket is open, and nobody reads there, as if the process was stopped. */
static void a_helper_that_stands_still_is_not_waited_for_and_the_slot_begins_again(void **state)
{
    const struct devices *devices = *state;
    const struct vm_spec spec = spec_of(devices);
    struct pe_error err;
    struct vm vm;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(slot_helper_set_patience(pair[0], SILENCE_MS, &err), 0);
    struct slot_helper helper = {.fd = pair[0]};
    assert_int_equal(slot_helper_start_vm(&helper, &spec, NULL, &vm, &err), -1);
    assert_error(err, PE_ERR_LOST, "does not answer");
    assert_true(helper.lost);
    struct slot_helper another = {.fd = pair[0]};
    vm = (struct vm){.pid = 1, .serial_fd = -1, .log_fd = -1};
    slot_helper_kill_vm(&another, &vm);
    assert_true(another.lost);
    close(pair[0]);
    close(pair[1]);
}

static void a_link_that_stands_still_is_not_waited_for(void **state)
{
    (void)state;
    struct pe_error err;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(balancer_link_receive(pair[0], SILENCE_MS, &err), -1);
    assert_error(err, PE_ERR_LOST, "does not answer");
    close(pair[0]);
    close(pair[1]);
}

static void an_answer_has_nothing_of_the_stack_of_the_helper(void **state)
{
    struct devices *devices = *state;
    const struct slot_request request = {.kind = SLOT_REQUEST_TEMPLATES};
    struct slot_reply reply;
    assert_int_equal(send(devices->helper.fd, &request, sizeof request, 0), sizeof request);
    assert_int_equal(recv(devices->helper.fd, &reply, sizeof reply, 0), sizeof reply);
    assert_string_equal(reply.error.message, "nobody listens");
    for (size_t i = strlen(reply.error.message); i < sizeof reply.error.message; i++)
        assert_int_equal(reply.error.message[i], 0);
}

static void a_slot_gets_only_so_many_connections(void **state)
{
    struct devices *devices = *state;
    struct pe_error err = {0};
    int refused = 0;
    for (int i = 0; i < 100 && !refused; i++) {
        assert_int_equal(slot_helper_connect_templates(&devices->helper, &err), -1);
        refused = err.kind == PE_ERR_BUSY ? i : 0;
    }
    assert_in_range(refused, 10, 99);
    assert_error(err, PE_ERR_BUSY, "too often");
}

/* The requests of a process that makes a template, which is a child here, and what it has saved. */
static struct vm_snapshot served(struct devices *devices,
                                 void (*make)(struct slot_helper *, struct devices *))
{
    int pair[2];
    struct vm_snapshot snapshot;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid_t child = fork();
    if (child == 0) {
        struct slot_helper helper = {.fd = pair[1]};
        close(pair[0]);
        make(&helper, devices);
        _exit(0);
    }
    close(pair[1]);
    slot_helper_serve_maker(&config, pair[0], child, &snapshot);
    close(pair[0]);
    waitpid(child, NULL, 0);
    return snapshot;
}

static void save_one(struct slot_helper *helper, struct devices *devices)
{
    struct pe_error err;
    struct vm vm;
    const struct vm_spec spec = spec_of(devices);
    if (slot_helper_save_vm(helper, &err) == 0 || /* there is no VM yet */
        slot_helper_start_vm(helper, &spec, NULL, &vm, &err) < 0 || slot_helper_save_vm(helper, &err) < 0 ||
        slot_helper_save_vm(helper, &err) == 0)
        _exit(1);
}

static void connect_only(struct slot_helper *helper, struct devices *devices)
{
    struct pe_error err;
    struct vm vm;
    const struct vm_spec spec = spec_of(devices);
    if (slot_helper_start_vm(helper, &spec, NULL, &vm, &err) == 0 &&
        slot_helper_link_balancer(helper, 0, &err) < 0)
        (void)!slot_helper_save_vm(helper, &err);
}

static void the_maker_of_a_template_saves_one_vm(void **state)
{
    struct vm_snapshot snapshot = served(*state, save_one);
    assert_true(snapshot.memory_fd >= 0);
    close(snapshot.memory_fd);
    close(snapshot.state_fd);
}

static void the_maker_of_a_template_has_no_connections(void **state)
{
    assert_int_equal(served(*state, connect_only).memory_fd, -1);
}

static void an_unknown_request_ends_the_helper(void **state)
{
    struct devices *devices = *state;
    struct pe_error err;
    struct vm vm;
    const struct vm_spec spec = spec_of(devices);
    const struct slot_request request = {.kind = 99};
    assert_true(pe_fd_message_send(devices->helper.fd, &request, sizeof request, NULL, 0) > 0);
    assert_int_equal(slot_helper_start_vm(&devices->helper, &spec, NULL, &vm, &err), -1);
    assert_int_equal(err.kind, PE_ERR_LOST);
    assert_true(devices->helper.lost);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_vm_is_started_and_killed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_has_one_vm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_can_go_on_while_its_vm_dies, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_small_output_is_copied_and_a_large_one_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_that_a_vmm_started_outlives_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_descriptors_are_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(connections_are_those_of_the_configuration, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            a_helper_that_stands_still_is_not_waited_for_and_the_slot_begins_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_link_that_stands_still_is_not_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_has_nothing_of_the_stack_of_the_helper, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_slot_gets_only_so_many_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_maker_of_a_template_saves_one_vm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_maker_of_a_template_has_no_connections, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_request_ends_the_helper, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
