/* SPDX-License-Identifier: Apache-2.0 */
/* Trying engines on this host. A paravirtual KVM creates
 * VMs, but then emulates a stock kernel so slowly that it never reaches its init. An engine
 * therefore counts as working only when the init of a guest has answered. */
#include "worker/vmm/probe.h"

#include "base/child.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* Under KVM, and as processes of the host, a guest answers within about a second. An emulated guest needs
 * several, on a busy host many. */
#define KVM_DEADLINE_MS 20000
#define TCG_DEADLINE_MS 180000

#define PROBE_MEMORY_MIB 256

/* The value of kernel.yama.ptrace_scope; 0 if the host's kernel does not have it. */
static int ptrace_scope(void)
{
    pe_autobuf struct pe_buf text = {0};
    struct pe_error ignored;
    if (pe_read_file(AT_FDCWD, "/proc/sys/kernel/yama/ptrace_scope", 16, &text, &ignored) < 0 || !text.size)
        return 0;
    return text.data[0] - '0';
}

/* User Mode Linux traces its own children. Without permission it ends with a message that does not
 * say how to get it, so find out beforehand. A worker that is root may trace although its VMMs,
 * which are not, may not: therefore the scope is looked at as well. */
int probe_check_ptrace(struct pe_error *err)
{
    const int scope = ptrace_scope();
    if (scope > 1)
        return pe_fail(err, PE_ERR_INVALID, "kernel.yama.ptrace_scope is %d; it has to be 0 or 1", scope);
    pid_t child = fork();
    if (child == 0)
        _exit(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno);
    if (child < 0)
        return pe_fail_errno(err, "cannot try ptrace(2)");
    const int status = pe_child_await(child);
    if (status == 0)
        return 0;
    return pe_fail(err, PE_ERR_INVALID, "ptrace(2) is not allowed here: %s",
                   WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "the process was killed");
}

static int fail_ended(const struct vm *vm, struct pe_error *err)
{
    char words[VM_LAST_WORDS_MAX];
    vm_last_words(vm, words);
    return pe_fail(err, PE_ERR_LOST, "the VMM ended%s%s", words[0] ? ": " : "", words);
}

static int fail_stopped(struct pe_error *err)
{
    return pe_fail(err, PE_ERR_CANCELED, "stopped while the engines were tried");
}

static bool is_stopped(const struct probe *probe)
{
    return probe->stop && *probe->stop;
}

/* poll(2), which SIGTERM and SIGINT end if they can stop the trial. */
static int wait_for(struct pollfd *wait, nfds_t count, uint64_t us, const struct probe *probe)
{
    const struct timespec timeout = {(time_t)(us / 1000000), (long)(us % 1000000) * 1000};
    sigset_t stops, before, mask;
    sigemptyset(&stops);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, &before);
    mask = before;
    if (probe->stop) {
        sigdelset(&mask, SIGTERM);
        sigdelset(&mask, SIGINT);
    }
    const int ready = is_stopped(probe) ? 0 : ppoll(wait, count, &timeout, &mask);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return ready;
}

/* Wait until the guest has sent something, the VMM has ended, `us` microseconds are over, or a stop is
 * requested. Returns how many bytes were read, perhaps none, or -1. A VMM that has closed the serial port
 * counts as one that has ended. */
static ssize_t hear(const struct vm *vm, uint64_t us, const struct probe *probe, char *bytes, size_t size,
                    struct pe_error *err)
{
    struct pollfd wait[] = {{.fd = vm->serial_fd, .events = POLLIN}, {.fd = vm->pidfd, .events = POLLIN}};
    const int ready = wait_for(wait, 2, us, probe);
    if (is_stopped(probe))
        return fail_stopped(err);
    if (ready <= 0)
        return 0;
    const ssize_t n = wait[0].revents ? read(vm->serial_fd, bytes, size) : -1;
    if (n > 0)
        return n;
    return n == 0 || wait[1].revents ? fail_ended(vm, err) : 0;
}

static int await_ready(const struct vm_host *host, const struct vm *vm, const struct probe *probe,
                       struct pe_error *err)
{
    static const char wanted[] = "ready\n";
    const int limit_ms = host->accel == VM_ACCEL_TCG ? TCG_DEADLINE_MS : KVM_DEADLINE_MS;
    const uint64_t deadline_us = pe_now_us() + (uint64_t)limit_ms * 1000;
    char heard[sizeof wanted] = "";
    for (size_t got = 0; got < sizeof wanted - 1;) {
        const uint64_t now = pe_now_us();
        if (now >= deadline_us)
            return pe_fail(err, PE_ERR_TIMEOUT, "a guest did not reach its init within %d s",
                           limit_ms / 1000);
        ssize_t n = hear(vm, deadline_us - now, probe, heard + got, sizeof wanted - 1 - got, err);
        if (n < 0)
            return -1;
        got += (size_t)n;
    }
    return strcmp(heard, wanted) == 0
               ? 0
               : pe_fail(err, PE_ERR_MALFORMED, "a guest sent something other than ready");
}

static int try_clone(const struct vm_host *host, const struct vm_spec *spec, const struct probe *probe,
                     struct vm *vm, struct pe_error *err)
{
    struct vm_snapshot snapshot;
    if (vm_save(host, vm, &snapshot, err) < 0)
        return -1;
    int failed = vm_clone(host, spec, &snapshot, vm, err);
    vm_snapshot_close(&snapshot);
    if (failed)
        return -1;
    if (pe_write_all(vm->serial_fd, "wake\n", 5, "the serial port of a clone", err) < 0)
        return -1;
    return await_ready(host, vm, probe, err) < 0 ? pe_fail_context(err, "cannot clone a VM") : 0;
}

/* What a trial of engines uses and finds out. */
struct attempt {
    const struct vm_host *host;
    const struct probe *probe;
    struct probe_findings *findings;
};

static int start_vms(const struct attempt *attempt, const struct engine *engine, struct pe_error *err)
{
    struct vm_host host = *attempt->host;
    struct vm_spec spec = {.memory_mib = PROBE_MEMORY_MIB,
                           .cpus = 1,
                           .guest_options = " pe_probe=1",
                           .savable = engine->snapshot};
    char version[VMM_VERSION_MAX];
    struct vm vm = VM_NONE;
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        spec.pmem[i].fd = -1;
    engine_apply(engine, &host);
    if (vm_host_version(&host, version, sizeof version, err) < 0 ||
        (engine->accel == VM_ACCEL_KVM && kvm_check("", host.own_kernel, err) < 0) ||
        (engine->accel == VM_ACCEL_NONE && !engine->cpu_flags[0] && probe_check_ptrace(err) < 0) ||
        vm_host_confine(&host, err) < 0)
        return -1;
    int failed =
        vm_boot(&host, &spec, &vm, err) < 0 || await_ready(&host, &vm, attempt->probe, err) < 0 ? -1 : 0;
    if (!failed && engine->snapshot)
        failed = try_clone(&host, &spec, attempt->probe, &vm, err);
    vm_kill(&vm);
    vm_host_release(&host);
    return failed;
}

/* What is certain already is not tried again. */
static int try_engine(void *context, const struct engine *engine, struct pe_error *err)
{
    const struct attempt *attempt = context;
    const struct probe_finding *known = probe_findings_of(attempt->findings, engine->name);
    if (is_stopped(attempt->probe))
        return fail_stopped(err);
    if (known && known->verdict == PROBE_WORKS)
        return 0;
    if (known && known->verdict == PROBE_FAILS)
        return pe_fail(err, PE_ERR_INTERNAL, "%s", known->why);
    int failed = start_vms(attempt, engine, err);
    (void)wait_for(NULL, 0, 0, attempt->probe); /* let in a signal that came while no guest was waited for */
    if (is_stopped(attempt->probe))             /* perhaps the VMM got the signal as well, and ended */
        return fail_stopped(err);
    probe_findings_set(attempt->findings, engine->name, failed ? err : NULL);
    return failed;
}

/* ---- the remembered result ---- */

static void add_file(struct pe_buf *text, const char *path)
{
    struct stat status = {0};
    struct pe_error ignored;
    int seen = stat(path, &status);
    int added = pe_buf_printf(text, &ignored, " %s:%d:%lld:%lld", path, seen, (long long)status.st_size,
                              (long long)status.st_mtim.tv_sec);
    (void)added; /* a text that is cut equals no other one, so nothing is remembered then */
}

/* Write everything on which the result depends to one line. The number at its beginning changes with
 * the order of the engines. */
static void fingerprint(const struct vm_host *host, const struct probe *probe, struct pe_buf *text)
{
    struct pe_error ignored;
    struct utsname system;
    uname(&system);
    int added =
        pe_buf_printf(text, &ignored, "6 %s%s,%u %s %s uid=%d kvm=%d,%d,%d,%d ptrace=%d", probe->wish.name,
                      probe->uml_seccomp ? ENGINE_UML_SECCOMP : "", probe->wish.isolation.bits,
                      system.machine, system.release, (int)geteuid(), access("/dev/kvm", R_OK | W_OK),
                      kvm_cpu_has_vms(""), kvm_is_pvm(""), host->own_kernel, ptrace_scope());
    (void)added;
    add_file(text, host->qemu);
    add_file(text, host->cloud_hypervisor);
    add_file(text, host->uml_kernel);
    add_file(text, host->kernel);
    add_file(text, host->initramfs);
    added = pe_buf_append(text, "", 1, &ignored);
    (void)added;
}

static const struct engine *find_engine(const struct engine *engines, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!strcmp(engines[i].name, name))
            return &engines[i];
    return NULL;
}

static void try_the_rest(const struct engine *engines, size_t count, struct attempt *attempt)
{
    struct pe_error ignored;
    for (size_t i = 0; i < count; i++)
        if (!probe_findings_of(attempt->findings, engines[i].name)) {
            int failed = try_engine(attempt, &engines[i], &ignored);
            (void)failed; /* it is in the findings */
        }
}

/* Try the engines, and remember the result if one works. Nothing is retried that cannot be remembered. */
static int choose(const struct probe *probe, struct attempt *attempt, const struct engine *engines,
                  size_t count, const char *now, const struct engine **engine, char *reason,
                  struct pe_error *err)
{
    struct pe_error fault;
    struct probe_memory memory;
    int failed = engine_select(engines, count, &probe->wish, try_engine, attempt, engine, reason, err);
    if (probe->every)
        try_the_rest(engines, count, attempt);
    if (is_stopped(probe))
        return fail_stopped(err);
    if (failed)
        return -1;
    memory.findings = *attempt->findings;
    snprintf(memory.engine, sizeof memory.engine, "%s", (*engine)->name);
    snprintf(memory.reason, sizeof memory.reason, "%s", reason);
    if (probe_memory_write(&memory, now, probe->result_file, &fault) == 0)
        return 0;
    if (probe->retry) {
        *err = fault;
        return pe_fail_context(err, "cannot change the engine");
    }
    pe_log(PE_LOG_WARN, "cannot remember which engine works: %s", fault.message);
    return 0;
}

int probe_host(const struct probe *probe, struct vm_host *host, bool *snapshots,
               char reason[ENGINE_REASON_MAX], struct probe_findings *findings, struct pe_error *err)
{
    static struct engine engines[ENGINES_MAX]; /* `host` points into it */
    struct probe_memory memory = {.findings = {.count = 0}};
    struct utsname system;
    struct attempt attempt = {.host = host, .probe = probe, .findings = findings};
    pe_autobuf struct pe_buf now = {0};
    uname(&system);
    size_t count = engines_for_machine(system.machine, engines);
    if (probe->uml_seccomp)
        engines_use_uml_seccomp(engines, count);
    fingerprint(host, probe, &now);
    const char *conditions = (const char *)now.data;
    const struct engine *engine = NULL;
    if (!probe->again && probe_memory_read(&memory, conditions, probe->result_file))
        engine = find_engine(engines, count, memory.engine);
    *findings = memory.findings;
    if (engine && !(probe->retry && probe_findings_are_unfinished(findings)))
        snprintf(reason, ENGINE_REASON_MAX, "%s", memory.reason);
    else if (choose(probe, &attempt, engines, count, conditions, &engine, reason, err) < 0)
        return -1;
    engine_apply(engine, host);
    *snapshots = engine->snapshot;
    return 0;
}
