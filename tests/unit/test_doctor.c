/* SPDX-License-Identifier: Apache-2.0 */
/* What the doctor says about hosts, of which a folder has the files in /proc, /sys and /dev, about VMMs, and
 * about the way to the balancer. */
#include "doctor/host_checks.h"
#include "doctor/report.h"
#include "proto/job_spec.h"
#include "tests/unit/fake_host.h"
#include "tests/unit/starve_json.h"
#include "worker/doctor_balancer.h"
#include "worker/doctor_kernel.h"
#include "worker/vmm/kvm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct doctor_report *report; /* of the test that runs */

static int begin(void **state)
{
    struct pe_error err;
    report = doctor_report_new("test", true, &err);
    return report ? set_up(state) : -1;
}

static int end(void **state)
{
    doctor_report_free(report);
    return tear_down(state);
}

/* Begin a new report about the same host. */
static void again(void)
{
    struct pe_error err;
    doctor_report_free(report);
    report = doctor_report_new("test", true, &err);
    assert_non_null(report);
}

/* What the report prints: JSON, which the caller owns. */
static json_t *printed(void)
{
    FILE *file = tmpfile();
    const int before = dup(STDOUT_FILENO);
    assert_non_null(file);
    fflush(stdout);
    assert_true(before >= 0 && dup2(fileno(file), STDOUT_FILENO) >= 0);
    const int status = doctor_finish(report, "Jobs can run", "Jobs cannot run");
    fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0 && close(before) == 0);
    assert_int_not_equal(status, DOCTOR_EXIT_USAGE);
    rewind(file);
    json_t *whole = json_loadf(file, 0, NULL);
    fclose(file);
    assert_non_null(whole);
    return whole;
}

/* The check with this id, or NULL. It belongs to `whole`. */
static const json_t *find(const json_t *whole, const char *id)
{
    const json_t *checks = json_object_get(whole, "checks");
    for (size_t i = 0; i < json_array_size(checks); i++) {
        const json_t *check = json_array_get(checks, i);
        if (!strcmp(json_string_value(json_object_get(check, "id")), id))
            return check;
    }
    return NULL;
}

static void said(const char *id, enum doctor_status status, const char *words)
{
    static const char *const names[] = {[DOCTOR_OK] = "ok",
                                        [DOCTOR_WARNING] = "warning",
                                        [DOCTOR_MISSING] = "missing",
                                        [DOCTOR_UNTRIED] = "untried"};
    pe_autojson json_t *whole = printed();
    const json_t *check = find(whole, id);
    const char *text = json_string_value(json_object_get(check, "text"));
    const char *got = json_string_value(json_object_get(check, "status"));
    if (!text || !got || strcmp(got, names[status]) != 0 || !strstr(text, words))
        fail_msg("%s: %s: %s", id, got ? got : "no status", text ? text : "(not there)");
}

static void said_nothing_of(const char *id)
{
    pe_autojson json_t *whole = printed();
    assert_null(find(whole, id));
}

/* ---- KVM ---- */

/* A device that every user may open. */
static void put_kvm(void)
{
    char path[PATH_MAX];
    put("/dev/kvm", "");
    snprintf(path, sizeof path, "%s/dev/kvm", top);
    assert_int_equal(chmod(path, 0666), 0);
}

static void a_device_that_vmms_cannot_open_is_no_kvm(void **state)
{
    char path[PATH_MAX];
    (void)state;
    put_kvm();
    put("/proc/cpuinfo", "processor : 0\nflags : fpu svm lm\n");
    snprintf(path, sizeof path, "%s/dev/kvm", top);
    assert_int_equal(chmod(path, 0), 0);
    doctor_say_kvm(report, top, false);
    said("host.kvm", DOCTOR_MISSING, geteuid() == 0 ? "chgrp kvm" : "cannot be opened");
}

static void without_a_device_there_is_no_kvm(void **state)
{
    (void)state;
    doctor_say_kvm(report, top, false);
    said("host.kvm", DOCTOR_MISSING, "there is no /dev/kvm; switch virtualization on");
}

static void a_processor_without_vmx_and_svm_has_no_kvm(void **state)
{
    (void)state;
    put_kvm();
    put("/proc/cpuinfo", "processor : 0\nflags : fpu sse2 lm\n");
    doctor_say_kvm(report, top, true);
    said("host.kvm", DOCTOR_MISSING, "neither vmx nor svm");
    put("/proc/cpuinfo", "processor : 0\nflags : fpu svm lm\n");
    again();
    doctor_say_kvm(report, top, false);
    said("host.kvm", DOCTOR_OK, "/dev/kvm can be opened");
}

static void pvm_needs_a_kernel_of_its_own_and_no_vmx(void **state)
{
    struct pe_error err = {.kind = PE_ERR_INTERNAL};
    (void)state;
    put_kvm();
    put("/proc/cpuinfo", "processor : 0\nflags : fpu sse2 lm\n");
    put("/sys/module/kvm_pvm/refcnt", "0\n");
    doctor_say_kvm(report, top, false);
    said("host.kvm", DOCTOR_MISSING, "a stock guest kernel cannot run; --kernel");
    said("host.kvm", DOCTOR_MISSING, "CONFIG_PVM_GUEST");
    assert_int_equal(kvm_check(top, false, &err), -1);
    assert_error(err, PE_ERR_INVALID, "PVM");
    assert_int_equal(kvm_check(top, true, &err), 0);
    again();
    doctor_say_kvm(report, top, true);
    said("host.kvm", DOCTOR_OK, "CONFIG_PVM_GUEST");
    doctor_say_cpu(report, top);
    said("host.cpu", DOCTOR_OK, "neither vmx nor svm, which PVM does not need");
}

/* ---- the kernel and the processor ---- */

#define V2 "cx16 lahf_lm popcnt sse4_1 sse4_2 ssse3"
#define V3 V2 " avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"

static void the_level_of_a_processor_is_named(void **state)
{
    (void)state;
    put("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu " V3 " vmx avx512f\nbugs\t\t:\n");
    doctor_say_cpu(report, top);
    said("host.cpu", DOCTOR_OK, "x86-64-v3, vmx");
    put("/proc/cpuinfo", "processor : 0\nflags\t\t: fpu cx16 vmx hypervisor\n");
    again();
    doctor_say_cpu(report, top);
    said("host.cpu", DOCTOR_WARNING, "x86-64-v1");
    put("/proc/cpuinfo", "processor : 0\nflags\t\t: " V2 " hypervisor\nvmx flags\t: vmx\n");
    again();
    doctor_say_cpu(report, top);
    said("host.cpu", DOCTOR_MISSING, "nested virtualization");
    put("/proc/cpuinfo", "processor : 0\nFeatures : fp asimd\n");
    again();
    doctor_say_cpu(report, top);
    said("host.cpu", DOCTOR_OK, "has none");
}

static void the_version_and_the_controllers_of_cgroups_are_seen(void **state)
{
    (void)state;
    doctor_say_cgroups(report, top);
    said("host.cgroups", DOCTOR_MISSING, "mount -t cgroup2");
    put("/sys/fs/cgroup/memory/tasks", "");
    again();
    doctor_say_cgroups(report, top);
    said("host.cgroups", DOCTOR_WARNING, "version 1; `systemd.unified_cgroup_hierarchy=1`");
    put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu pids\n");
    again();
    doctor_say_cgroups(report, top);
    said("host.cgroups", DOCTOR_WARNING, "without memory;");
    put("/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n");
    again();
    doctor_say_cgroups(report, top);
    said("host.cgroups", DOCTOR_OK, "with memory, pids and cpu");
}

static void filters_of_system_calls_are_seen(void **state)
{
    (void)state;
    doctor_say_seccomp(report, top);
    said("host.seccomp", DOCTOR_MISSING, "CONFIG_SECCOMP_FILTER");
    put("/proc/sys/kernel/seccomp/actions_avail", "kill_process kill_thread errno allow\n");
    again();
    doctor_say_seccomp(report, top);
    said("host.seccomp", DOCTOR_OK, "end a process");
}

static void what_forbids_user_namespaces_is_named(void **state)
{
    (void)state;
    doctor_say_user_namespaces(report, top, false);
    said("host.user-namespaces", DOCTOR_MISSING, "user.max_user_namespaces is 0");
    put("/proc/sys/user/max_user_namespaces", "1000\n");
    put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1\n");
    again();
    doctor_say_user_namespaces(report, top, true);
    said("host.user-namespaces", DOCTOR_WARNING, "apparmor_restrict_unprivileged_userns is 1");
    put("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0\n");
    again();
    doctor_say_user_namespaces(report, top, false);
    said("host.user-namespaces", DOCTOR_OK, "every user");
}

/* ---- memory ---- */

static void memory_is_what_machine_and_cgroups_allow(void **state)
{
    (void)state;
    host_say_memory(report, top, 100, "a thing", "advice");
    said("host.memory", DOCTOR_UNTRIED, "a thing needs up to 100 MiB");
    put("/proc/meminfo", "MemTotal: 9000000 kB\nMemAvailable:    2097152 kB\n");
    assert_int_equal(host_memory_mib(top), 2048);
    put("/proc/self/cgroup", "0::/user.slice/job\n");
    put("/sys/fs/cgroup/user.slice/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/user.slice/job/memory.max", "max\n");
    assert_int_equal(host_memory_mib(top), 1024);
    again();
    host_say_memory(report, top, 1025, "a thing", "take less");
    said("host.memory", DOCTOR_WARNING, "1024 MiB are available, and a thing can use 1025 MiB; take less");
    again();
    host_say_memory(report, top, 1024, "a thing", "take less");
    said("host.memory", DOCTOR_OK, "a thing");
}

/* ---- VMMs ---- */

static void known_holes_of_a_release_are_named(void **state)
{
    (void)state;
    doctor_say_holes(report, "cloud-hypervisor", "cloud-hypervisor", "50.0");
    said("vmm.cloud-hypervisor", DOCTOR_WARNING, "CVE-2026-27211); install release 50.1");
    again();
    doctor_say_holes(report, "cloud-hypervisor", "cloud-hypervisor", "52.0 (keeps private memory in memfds)");
    said("vmm.cloud-hypervisor", DOCTOR_OK, "no hole in the table of");
    doctor_say_holes(report, "qemu", "QEMU", "7.2.8");
    said("vmm.qemu", DOCTOR_WARNING, "CVE-2023-6693");
    again();
    doctor_say_holes(report, "qemu", "QEMU", "7.2.9");
    said("vmm.qemu", DOCTOR_OK, "QEMU 7.2.9: no hole");
}

static void known_holes_of_a_kernel_are_named_if_its_number_says_what_is_repaired(void **state)
{
    (void)state;
    doctor_say_kernel(report, "5.15.24", "#1 SMP");
    said("host.kernel", DOCTOR_WARNING, "kernel 5.15.24: in it a VMM that was taken over can");
    said("host.kernel", DOCTOR_WARNING, "CVE-2022-0847); install release 5.10.102, 5.15.25 or 5.16.11,");
    again();
    doctor_say_kernel(report, "5.15.25-custom", "#1 SMP");
    said("host.kernel", DOCTOR_OK, "no hole of release 5.15.25");
    again();
    doctor_say_kernel(report, "5.10.0-8-amd64", "#1 SMP Debian 5.10.46-4 (2021-08-03)");
    said("host.kernel", DOCTOR_WARNING, "kernel 5.10.46: in it ");
    again();
    doctor_say_kernel(report, "5.4.141", "#1 SMP");
    said("host.kernel", DOCTOR_WARNING, "CVE-2021-3656); install release 4.19.205, 5.4.142,");
    again();
    doctor_say_kernel(report, "6.1.0-30-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.124-1 (2025-01-12)");
    said("host.kernel", DOCTOR_OK, "6.1.124");
    again();
    doctor_say_kernel(report, "5.15.0-91-generic", "#101-Ubuntu SMP");
    said("host.kernel", DOCTOR_UNTRIED, "5.15.0-91-generic does not say");
}

/* ---- the way to the balancer ---- */

static void look(const char *server, enum balancer_stage stage, int64_t date)
{
    const struct balancer_view view = {.stage = stage, .date = date};
    const struct pe_error why = {.kind = PE_ERR_LOST, .message = "it failed"};
    again();
    doctor_say_view(report, server, &view, &why, 1000000);
}

static void the_first_step_that_fails_is_missing_and_the_later_ones_untried(void **state)
{
    (void)state;
    look("https://a", BALANCER_UNKNOWN, 0);
    said("balancer.dns", DOCTOR_MISSING, "it failed; look at /etc/resolv.conf");
    said("balancer.tcp", DOCTOR_UNTRIED, "");
    said("balancer.clock", DOCTOR_UNTRIED, "did not say");
    look("https://a", BALANCER_REACHED, 0);
    said("balancer.tcp", DOCTOR_OK, "");
    said("balancer.tls", DOCTOR_MISSING, "it failed; the certificate");
    said("balancer.token", DOCTOR_UNTRIED, "");
    look("http://a", BALANCER_ANSWERED, 1000000);
    said_nothing_of("balancer.tls");
    said("balancer.token", DOCTOR_MISSING, "it failed; the first line of --token-file");
    look("unix:/a", BALANCER_ADMITTED, 1000000);
    said_nothing_of("balancer.dns");
    said("balancer.tcp", DOCTOR_OK, "");
    said("balancer.token", DOCTOR_OK, "admits");
}

static void a_clock_that_differs_from_the_balancers_is_reported(void **state)
{
    (void)state;
    look("http://a", BALANCER_ADMITTED, 1000000 + 3600);
    said("balancer.clock", DOCTOR_WARNING, "3600 s behind the balancer's");
    look("http://a", BALANCER_ADMITTED, 1000000 - 31);
    said("balancer.clock", DOCTOR_WARNING, "31 s ahead of the balancer's");
    look("http://a", BALANCER_ADMITTED, 1000000 + 30);
    said("balancer.clock", DOCTOR_OK, "as the balancer's");
}

/* ---- the report ---- */

static void ids_have_only_the_characters_that_the_schema_allows(void **state)
{
    char id[DOCTOR_ID_MAX];
    (void)state;
    doctor_id("jail", "PID namespace", id);
    assert_string_equal(id, "jail.pid-namespace");
    doctor_id("engine", "qemu+kvm+snapshot,pmu=off", id);
    assert_string_equal(id, "engine.qemu+kvm+snapshot,pmu=off");
}

static void a_text_is_one_line(void **state)
{
    (void)state;
    doctor_say(report, DOCTOR_OK, "a", "b\nc\033[31m");
    said("a", DOCTOR_OK, "b c [31m");
    doctor_say(report, DOCTOR_OK, "d", "\xff");
    said("d", DOCTOR_OK, "(a text that is not UTF-8)");
}

static void a_report_is_complete_or_fails(void **state)
{
    (void)state;
    for (size_t n = 0, failed = 1; failed; n++) {
        again();
        starve_json(n);
        for (int i = 0; i < 20; i++)
            doctor_say(report, DOCTOR_OK, "a", "b");
        doctor_fact(report, "engine", "e");
        const int status = doctor_finish(report, "Jobs can run", "Jobs cannot run");
        failed = feed_json();
        assert_int_equal(status, failed ? DOCTOR_EXIT_USAGE : DOCTOR_EXIT_USABLE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(without_a_device_there_is_no_kvm, begin, end),
        cmocka_unit_test_setup_teardown(a_device_that_vmms_cannot_open_is_no_kvm, begin, end),
        cmocka_unit_test_setup_teardown(a_processor_without_vmx_and_svm_has_no_kvm, begin, end),
        cmocka_unit_test_setup_teardown(pvm_needs_a_kernel_of_its_own_and_no_vmx, begin, end),
        cmocka_unit_test_setup_teardown(the_level_of_a_processor_is_named, begin, end),
        cmocka_unit_test_setup_teardown(the_version_and_the_controllers_of_cgroups_are_seen, begin, end),
        cmocka_unit_test_setup_teardown(filters_of_system_calls_are_seen, begin, end),
        cmocka_unit_test_setup_teardown(what_forbids_user_namespaces_is_named, begin, end),
        cmocka_unit_test_setup_teardown(memory_is_what_machine_and_cgroups_allow, begin, end),
        cmocka_unit_test_setup_teardown(known_holes_of_a_release_are_named, begin, end),
        cmocka_unit_test_setup_teardown(known_holes_of_a_kernel_are_named_if_its_number_says_what_is_repaired,
                                        begin, end),
        cmocka_unit_test_setup_teardown(the_first_step_that_fails_is_missing_and_the_later_ones_untried,
                                        begin, end),
        cmocka_unit_test_setup_teardown(a_clock_that_differs_from_the_balancers_is_reported, begin, end),
        cmocka_unit_test_setup_teardown(ids_have_only_the_characters_that_the_schema_allows, begin, end),
        cmocka_unit_test_setup_teardown(a_text_is_one_line, begin, end),
        cmocka_unit_test_setup_teardown(a_report_is_complete_or_fails, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
