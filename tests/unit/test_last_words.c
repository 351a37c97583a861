/* SPDX-License-Identifier: Apache-2.0 */
/* What the output of a VMM says about its end. The texts are those of cloud-hypervisor v53.0 and v42.0, of
 * QEMU 7.2 and of our own process that starts a VMM. */
#include "tests/unit/check.h"
#include "worker/vmm/last_words.h"

#include <stdio.h>

#define NO_CORE_SCHEDULING                                                                            \
    "cloud-hypervisor:   0.018311s: <vmm> WARN:vmm/src/cpu.rs:278 -- Kernel lacks CONFIG_SCHED_CORE " \
    "support - no SMT isolation\r\n"

static const struct {
    const char *what, *log, *words;
} cases[] = {
    {"nothing was printed", "", ""},
    {"one line", "qemu-system-x86_64: cannot set up guest memory 'ram': Cannot allocate memory\n",
     "qemu-system-x86_64: cannot set up guest memory 'ram': Cannot allocate memory"},
    {"the last of several lines",
     "Could not access KVM kernel module: Permission denied\n"
     "qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied\n",
     "qemu-system-x86_64: -accel kvm: failed to initialize kvm: Permission denied"},
    {"a line that is not complete", "cannot execute /usr/bin/qemu", "cannot execute /usr/bin/qemu"},
    {"blank lines at the end", "it failed\r\n\r\n \n", "it failed"},

    {"only a warning of cloud-hypervisor", NO_CORE_SCHEDULING, ""},
    {"a warning of an older cloud-hypervisor",
     "cloud-hypervisor: 112.207548ms: <vcpu0> WARN:devices/src/legacy/debug_port.rs:76 -- [Debug I/O port: "
     "Kernel code 0x40] 0.109134 seconds\r\n",
     ""},
    {"an error of cloud-hypervisor before messages that end nothing",
     "cloud-hypervisor:   0.018311s: <vmm> ERROR:vmm/src/lib.rs:870 -- the VM ended\r\n"
     "cloud-hypervisor:   0.018322s: <vmm> INFO:vmm/src/vm.rs:947 -- WARN: Loading kernel\r\n"
     "cloud-hypervisor:   0.018323s: <vmm> DEBUG:vmm/src/vm.rs:948 -- Loading kernel\r\n" NO_CORE_SCHEDULING,
     "cloud-hypervisor:   0.018311s: <vmm> ERROR:vmm/src/lib.rs:870 -- the VM ended"},
    {"an error that mentions a warning",
     "cloud-hypervisor:   0.018311s: <vmm> ERROR:vmm/src/lib.rs:870 -- > WARN: is no level\r\n",
     "cloud-hypervisor:   0.018311s: <vmm> ERROR:vmm/src/lib.rs:870 -- > WARN: is no level"},

    {"a chain of causes",
     NO_CORE_SCHEDULING
     "cloud-hypervisor:   0.020077s: <main> ERROR:cloud-hypervisor/src/lib.rs:23 -- Fatal error: "
     "StartVmmThread(...)\r\n"
     "Error: Cloud Hypervisor exited with the following chain of errors:\n"
     "  0: Failed to start the VMM thread\n"
     "  1: Failed to open hypervisor interface\n"
     "  2: Permission denied (os error 13)\n",
     "Failed to start the VMM thread: Failed to open hypervisor interface: Permission denied (os error 13)"},
    {"a chain with a warning of another thread in it, and after it",
     "  0: Error booting VM\n" NO_CORE_SCHEDULING "  1: The VM could not boot\n" NO_CORE_SCHEDULING,
     "Error booting VM: The VM could not boot"},
    {"the last of two chains", "  0: first\n  1: cause\n  0: second\n  1: reason\n", "second: reason"},
    {"a chain whose beginning is lost", "  3: Permission denied\n", "3: Permission denied"},
    {"a single cause",
     "Error: Cloud Hypervisor exited with the following error:\n"
     "  Failed to parse the API socket\n",
     "Failed to parse the API socket"},
    {"a message after a chain", "  0: a\n  1: b\nended\n", "ended"},
    {"a chain with ten causes",
     "  0: a\n  1: b\n  2: c\n  3: d\n  4: e\n  5: f\n  6: g\n  7: h\n  8: i\n  9: j\n  10: k\n",
     "a: b: c: d: e: f: g: h: i: j: k"},

    {"a warning of QEMU after an error",
     "qemu-system-x86_64: -device virtio-pmem-pci: device is too large\n"
     "qemu-system-x86_64: warning: TCG doesn't support requested feature: CPUID.01H:EDX.vme [bit 1]\n"
     "qemu-system-x86_64: -cpu max: info: a hint\n",
     "qemu-system-x86_64: -device virtio-pmem-pci: device is too large"},
    {"control characters", "\033[31mred\033[0m\ttext\n", "?[31mred?[0m?text"},
};

static void the_reason_is_found_in_the_output_of_a_vmm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[512];
        vmm_last_words(cases[i].log, strlen(cases[i].log), words, sizeof words);
        if (strcmp(words, cases[i].words) != 0)
            print_error("%s\n", cases[i].what);
        assert_string_equal(words, cases[i].words);
    }
}

static void output_of_any_length_fits_the_buffer(void **state)
{
    (void)state;
    static char log[6 * 8192];
    char words[16];
    memset(log, 'x', sizeof log);
    vmm_last_words(log, sizeof log, words, sizeof words);
    assert_string_equal(words, "xxxxxxxxxxxxxxx");
    for (size_t i = 0; i < sizeof log; i += 6)
        memcpy(log + i, i ? " 1: b\n" : " 0: a\n", 6);
    vmm_last_words(log, sizeof log, words, sizeof words);
    assert_string_equal(words, "1: b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reason_is_found_in_the_output_of_a_vmm),
        cmocka_unit_test(output_of_any_length_fits_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
