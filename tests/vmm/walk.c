/* SPDX-License-Identifier: Apache-2.0 */
/* Exercises worker/vmm/vmm.h with one driver: walk COMMAND DRIVER PROGRAM KERNEL INITRAMFS RUN_DIR
 * UID. DRIVER is qemu (under software emulation), cloud-hypervisor or uml; KERNEL is not used for
 * uml. COMMAND is
 *
 *   version   print the version, or why the VMM cannot be used
 *   boot      boot a VM, a savable one if the driver has snapshots, wait for `ready`, kill it;
 *             print `ready` or the error
 *   clone     boot a VM, save it, clone it, wake the clone; print `ready` or the error
 *   hold      boot a VM, print `ready`, and wait to be killed
 *   walk      check everything that holds for every driver with snapshots; prints "ok SENTENCE" lines
 *   endings   check how VMs end that are not killed; prints "ok SENTENCE" lines
 *   boots     both, for a driver without snapshots
 *   jail      print what the jail reports, as lines of "PROTECTION: active" or "PROTECTION: REASON"
 *
 * The environment variable WALK_VMM_PATHS has more paths that VMMs may read, separated by colons. */
#include "tests/vmm/walk.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "worker/vmm/driver.h"
#include "worker/vmm/jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024u * 1024u)
#define MEMORY_MIB 256
#define DEVICE_BYTES (2u * MIB)
#define CLONES 3
#define LINE_MS 60000

static int failures;

void check(bool holds, const char *sentence)
{
    printf("%s %s\n", holds ? "ok" : "not ok", sentence);
    fflush(stdout);
    failures += !holds;
}

static void check_done(int failed, const struct pe_error *err, const char *sentence)
{
    if (failed)
        printf("# %s\n", err->message);
    check(!failed, sentence);
}

/* ---- a VM and the files behind its devices ---- */

struct subject {
    struct vm vm;
    struct vm_spec spec;
};

static int device_file(const char *text)
{
    int fd = memfd_create("vmm-test", MFD_CLOEXEC);
    if (fd < 0 || ftruncate(fd, DEVICE_BYTES) < 0 || pwrite(fd, text, strlen(text), 0) < 0)
        abort();
    return fd;
}

static void make_subject(struct subject *subject, const char *input, bool savable)
{
    const char *const texts[VM_PMEM_COUNT] = {"the rootfs", input, "nothing yet", "nothing yet"};
    *subject = (struct subject){
        .vm = VM_NONE,
        .spec = {
            .memory_mib = MEMORY_MIB, .cpus = 1, .guest_options = " rdinit=/vmm-test", .savable = savable}};
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        subject->spec.pmem[i] = (struct vm_pmem){device_file(texts[i]), DEVICE_BYTES, i != VM_PMEM_ROOTFS};
}

static void end_subject(struct subject *subject)
{
    vm_kill(&subject->vm);
    for (int i = 0; i < VM_PMEM_COUNT; i++)
        close(subject->spec.pmem[i].fd);
}

/* Read one line of the guest. Fails if the VMM ends or the line takes too long. */
static int read_line(const struct subject *subject, char *line, size_t size, struct pe_error *err)
{
    for (size_t used = 0; used < size;) {
        struct pollfd wait[] = {{.fd = subject->vm.serial_fd, .events = POLLIN},
                                {.fd = subject->vm.pidfd, .events = POLLIN}};
        if (poll(wait, 2, LINE_MS) == 0)
            return pe_fail(err, PE_ERR_LOST, "the guest sends nothing");
        ssize_t n = wait[0].revents ? read(subject->vm.serial_fd, line + used, 1) : 0;
        if (n <= 0) {
            char words[VM_LAST_WORDS_MAX];
            vm_last_words(&subject->vm, words);
            return pe_fail(err, PE_ERR_LOST, "the VM ended: %s", words);
        }
        if (line[used] == '\n') {
            line[used] = '\0';
            return 0;
        }
        used++;
    }
    return pe_fail(err, PE_ERR_MALFORMED, "the guest sends a line without end");
}

static int send_line(const struct subject *subject, const char *line, struct pe_error *err)
{
    char text[200];
    snprintf(text, sizeof text, "%s\n", line);
    return pe_write_all(subject->vm.serial_fd, text, strlen(text), "serial port", err);
}

/* Whether the guest answers the line `sent` (NULL: nothing is sent) with exactly `wanted`. */
static bool answers(const struct subject *subject, const char *sent, const char *wanted)
{
    char line[200] = "";
    struct pe_error err;
    if ((sent && send_line(subject, sent, &err) < 0) || read_line(subject, line, sizeof line, &err) < 0) {
        printf("# '%s' is answered with: %s\n", sent ? sent : "", err.message);
        return false;
    }
    if (!strcmp(line, wanted))
        return true;
    printf("# '%s' is answered with '%s' instead of '%s'\n", sent ? sent : "", line, wanted);
    return false;
}

static bool host_sees(const struct subject *subject, const char *wanted)
{
    char text[200] = "";
    ssize_t n = pread(subject->spec.pmem[VM_PMEM_OUTPUT].fd, text, sizeof text - 1, 0);
    return n > 0 && !strcmp(text, wanted);
}

static bool ends_by_itself(const struct subject *subject, const char *sent)
{
    char line[200] = "";
    struct pe_error err;
    struct pollfd ended = {.fd = subject->vm.pidfd, .events = POLLIN};
    if (send_line(subject, sent, &err) == 0 && read_line(subject, line, sizeof line, &err) < 0 &&
        poll(&ended, 1, LINE_MS) > 0)
        return true;
    printf("# after '%s' the VM goes on: %s\n", sent, line[0] ? line : err.message);
    return false;
}

/* ---- what VMs leave behind ---- */

static size_t count_entries(const char *path)
{
    size_t count = 0;
    pe_autodir DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    return count;
}

static bool is_gone(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", (int)pid);
    return access(path, F_OK) < 0;
}

/* The value of a field of /proc/PID/status, as a number. */
static long status_field(pid_t pid, const char *field)
{
    char path[64];
    pe_autobuf struct pe_buf text = {0};
    struct pe_error err;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (pe_read_file(AT_FDCWD, path, MIB, &text, &err) < 0 || pe_buf_append(&text, "", 1, &err) < 0)
        return -1;
    const char *at = strstr((const char *)text.data, field);
    return at ? strtol(at + strlen(field), NULL, 10) : -1;
}

/* FNV-1a of the pages that are not all zero, and of where they are. A page of zeros counts as a
 * hole: reading a hole through a private mapping may allocate one. */
static uint64_t digest(int fd)
{
    uint64_t sum = 14695981039346656037ull;
    static const uint8_t zeros[4096];
    uint8_t page[4096];
    for (off_t at = lseek(fd, 0, SEEK_DATA); at >= 0; at = lseek(fd, at + (off_t)sizeof page, SEEK_DATA)) {
        ssize_t n = pread(fd, page, sizeof page, at);
        if (n <= 0 || !memcmp(page, zeros, (size_t)n))
            continue;
        sum = (sum ^ (uint64_t)at) * 1099511628211ull;
        for (ssize_t i = 0; i < n; i++)
            sum = (sum ^ page[i]) * 1099511628211ull;
    }
    return sum;
}

/* ---- commands ---- */

static int boot(const struct vm_host *host, struct subject *subject, bool savable, struct pe_error *err)
{
    char line[200];
    make_subject(subject, "the template's input", savable);
    if (vm_boot(host, &subject->spec, &subject->vm, err) < 0 ||
        read_line(subject, line, sizeof line, err) < 0)
        return -1;
    return strcmp(line, "ready") == 0 ? 0 : pe_fail(err, PE_ERR_MALFORMED, "the guest sent '%s'", line);
}

static int clone_of(const struct vm_host *host, const struct vm_snapshot *snapshot, const char *input,
                    struct subject *clone, struct pe_error *err)
{
    char line[200];
    make_subject(clone, input, true);
    if (vm_clone(host, &clone->spec, snapshot, &clone->vm, err) < 0 || send_line(clone, "wake", err) < 0 ||
        read_line(clone, line, sizeof line, err) < 0)
        return -1;
    return strcmp(line, "ready") == 0 ? 0 : pe_fail(err, PE_ERR_MALFORMED, "the clone sent '%s'", line);
}

static int boot_only(const struct vm_host *host, bool stay)
{
    struct subject subject;
    struct pe_error err;
    int failed = boot(host, &subject, host->driver->save != NULL, &err);
    printf("%s%s\n", failed ? "error: " : "ready", failed ? err.message : "");
    fflush(stdout);
    if (stay && !failed)
        for (;;)
            pause();
    end_subject(&subject);
    return failed ? 1 : 0;
}

static int clone_only(const struct vm_host *host)
{
    struct subject template, clone;
    struct vm_snapshot snapshot = VM_SNAPSHOT_NONE;
    struct pe_error err;
    int failed = boot(host, &template, true, &err) < 0 || vm_save(host, &template.vm, &snapshot, &err) < 0;
    end_subject(&template);
    if (!failed) {
        failed = clone_of(host, &snapshot, "the clone's input", &clone, &err);
        end_subject(&clone);
    }
    vm_snapshot_close(&snapshot);
    printf("%s%s\n", failed ? "error: " : "ready", failed ? err.message : "");
    return failed ? 1 : 0;
}

static int print_version(const struct vm_host *host)
{
    char version[VMM_VERSION_MAX];
    struct pe_error err;
    int failed = vm_host_version(host, version, sizeof version, &err);
    printf("%s%s\n", failed ? "error: " : "", failed ? err.message : version);
    return failed ? 1 : 0;
}

/* ---- checks ---- */

static void check_booted(const struct vm_host *host, bool savable, struct subject *template)
{
    struct pe_error err;
    check_done(boot(host, template, savable, &err), &err, "a VM boots and says ready on its serial port");
    check(answers(template, "rootfs", "the rootfs") && answers(template, "input", "the template's input"),
          "a guest reads the files behind its devices");
    check(answers(template, "output from the template", "ready") && host_sees(template, "from the template"),
          "the host sees what a guest writes to a device");
    check(answers(template, "count", "1"), "a guest keeps what it does in its memory");
    check(geteuid() != 0 || status_field(template->vm.pid, "\nUid:") == (long)host->uid,
          "a VMM does not run as root when it is started by root");
    check(status_field(template->vm.pid, "\nNoNewPrivs:") == 1, "a VMM cannot gain privileges");
    check_jail(host, &template->vm);
}

static void check_save(const struct vm_host *host, struct subject *template, struct vm_snapshot *snapshot)
{
    struct pe_error err;
    struct stat status = {0};
    pid_t pid = template->vm.pid;
    check_done(vm_save(host, &template->vm, snapshot, &err), &err, "a VM is saved");
    check(fstat(snapshot->memory_fd, &status) == 0 && status.st_size == (off_t)MEMORY_MIB * MIB &&
              status.st_blocks > 0 && (uint64_t)status.st_blocks * 512 < (uint64_t)MEMORY_MIB * MIB,
          "a snapshot's memory is a file as large as the VM's, with holes where nothing was");
    check(pwrite(snapshot->memory_fd, "x", 1, 0) < 0 && errno == EPERM &&
              pwrite(snapshot->state_fd, "x", 1, 0) < 0,
          "nobody can write to a snapshot");
    check(is_gone(pid) && count_entries(host->run_dir) == 0, "nothing is left of a VM that was saved");
}

static void check_clones(const struct vm_host *host, const struct vm_snapshot *snapshot)
{
    static const char *const inputs[CLONES] = {"input one", "input two", "input three"};
    struct subject clones[CLONES];
    struct pe_error err = {0};
    int failed = 0;
    bool own_input = true, own_output = true, own_memory = true, clock = true, timed = true;
    for (int i = 0; i < CLONES; i++)
        failed |= clone_of(host, snapshot, inputs[i], &clones[i], &err);
    check_done(failed, &err,
               "several clones of a snapshot run at the same time and say ready when they are woken");
    for (int i = 0; i < CLONES && !failed; i++) {
        char text[64];
        snprintf(text, sizeof text, "output from clone %d", i);
        own_input &= answers(&clones[i], "input", inputs[i]);
        own_output &= answers(&clones[i], text, "ready");
        clock &= answers(&clones[i], "sleep", "ready");
        own_memory &= answers(&clones[i], "count", "2") && (i != 0 || answers(&clones[i], "count", "3"));
        timed &= clones[i].vm.spawn_us > 0 && clones[i].vm.restore_us > 0;
    }
    own_output &= host_sees(&clones[0], "from clone 0") && host_sees(&clones[1], "from clone 1") &&
                  host_sees(&clones[2], "from clone 2");
    check(!failed && own_input, "each clone reads its own input");
    check(!failed && own_output, "each clone writes to its own output");
    check(!failed && own_memory, "each clone goes on from the snapshot, unseen by the others");
    check(!failed && clock, "the clock of a clone goes on");
    check(!failed && timed, "a clone knows how long its start and its restore took");
    pid_t pids[CLONES];
    for (int i = 0; i < CLONES; i++) {
        pids[i] = clones[i].vm.pid;
        end_subject(&clones[i]);
    }
    check(is_gone(pids[0]) && is_gone(pids[1]) && is_gone(pids[2]) && count_entries(host->run_dir) == 0,
          "nothing is left of clones that were killed");
}

static void check_sizes(const struct vm_host *host, const struct vm_snapshot *snapshot)
{
    struct subject clone;
    struct pe_error err;
    make_subject(&clone, "input", true);
    clone.spec.pmem[VM_PMEM_INPUT].bytes = 2 * DEVICE_BYTES;
    check(vm_clone(host, &clone.spec, snapshot, &clone.vm, &err) < 0 && clone.vm.pid == -1 &&
              count_entries(host->run_dir) == 0,
          "a clone with a device that is larger than its file is refused, and nothing is left of it");
    end_subject(&clone);
}

static int walk(const struct vm_host *host)
{
    struct subject template;
    struct vm_snapshot snapshot = VM_SNAPSHOT_NONE;
    size_t open_before = count_entries("/proc/self/fd");
    check_booted(host, true, &template);
    check_save(host, &template, &snapshot);
    uint64_t before = digest(snapshot.memory_fd);
    check_clones(host, &snapshot);
    check(digest(snapshot.memory_fd) == before, "a snapshot is the same after its clones have run");
    check_sizes(host, &snapshot);
    end_subject(&template);
    vm_snapshot_close(&snapshot);
    check(count_entries("/proc/self/fd") == open_before, "every descriptor is closed");
    return failures ? 1 : 0;
}

static void check_booted_ends(const struct vm_host *host, const char *way)
{
    struct subject subject;
    struct pe_error err;
    char sentence[80];
    int failed = boot(host, &subject, false, &err);
    bool ended = !failed && ends_by_itself(&subject, way);
    if (failed)
        printf("# %s\n", err.message);
    end_subject(&subject);
    snprintf(sentence, sizeof sentence, "a VM ends when its guest does: %s", way);
    check(ended, sentence);
}

static void check_clone_ends(const struct vm_host *host, const struct vm_snapshot *snapshot, const char *way)
{
    struct subject subject;
    struct pe_error err;
    char sentence[80];
    int failed = clone_of(host, snapshot, "input", &subject, &err);
    bool ended = !failed && ends_by_itself(&subject, way);
    if (failed)
        printf("# %s\n", err.message);
    end_subject(&subject);
    snprintf(sentence, sizeof sentence, "a clone ends when its guest does: %s", way);
    check(ended, sentence);
}

static int endings(const struct vm_host *host)
{
    struct subject subject;
    struct vm_snapshot snapshot = VM_SNAPSHOT_NONE;
    struct pe_error err;
    check_booted_ends(host, "reset");
    check_booted_ends(host, "poweroff");
    int failed = boot(host, &subject, true, &err) < 0 || vm_save(host, &subject.vm, &snapshot, &err) < 0;
    end_subject(&subject);
    check_done(failed, &err, "a VM is saved");
    if (!failed) {
        check_clone_ends(host, &snapshot, "reset");
        check_clone_ends(host, &snapshot, "panic");
    }
    vm_snapshot_close(&snapshot);
    check(count_entries(host->run_dir) == 0, "nothing is left of VMs that ended");
    return failures ? 1 : 0;
}

/* ---- a driver without snapshots ---- */

static bool session_is_empty_now(pid_t leader)
{
    bool empty = true;
    pe_autodir DIR *processes = opendir("/proc");
    for (struct dirent *entry; processes && (entry = readdir(processes));) {
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        empty &= pid <= 0 || getsid(pid) != leader || proc_file_has(pid, "status", "State:\tZ");
    }
    return empty;
}

/* Whether no process that the VMM started is left: each is, or was, in its session. Without a PID namespace
 * they end by themselves, some time after the VMM. */
static bool session_is_empty(const struct vm_host *host, pid_t leader)
{
    for (int left = is_active(host, JAIL_PROCESSES) ? 1 : LINE_MS; left > 0; left--) {
        if (session_is_empty_now(leader))
            return true;
        poll(NULL, 0, 1);
    }
    return false;
}

static size_t cpus_of(pid_t pid)
{
    cpu_set_t cpus;
    return sched_getaffinity(pid, sizeof cpus, &cpus) == 0 ? (size_t)CPU_COUNT(&cpus) : 0;
}

static void check_refused(const struct vm_host *host)
{
    struct subject subject;
    struct pe_error err;
    make_subject(&subject, "input", false);
    subject.spec.cpus = 2;
    check(vm_boot(host, &subject.spec, &subject.vm, &err) < 0 && err.kind == PE_ERR_INVALID,
          "a VM with two CPUs is refused");
    end_subject(&subject);
    make_subject(&subject, "input", true);
    check(vm_boot(host, &subject.spec, &subject.vm, &err) < 0 && err.kind == PE_ERR_INVALID,
          "a VM that could be saved is refused");
    end_subject(&subject);
    make_subject(&subject, "input", false);
    subject.spec.pmem[VM_PMEM_INPUT].bytes = 2 * DEVICE_BYTES;
    check(vm_boot(host, &subject.spec, &subject.vm, &err) < 0 && err.kind == PE_ERR_INVALID,
          "a device that is larger than its file is refused");
    end_subject(&subject);
    for (int i = 0; i < 2; i++) {
        make_subject(&subject, i ? "MOOO" : "OOOM", false); /* arch/um/drivers/cow_user.c */
        check(vm_boot(host, &subject.spec, &subject.vm, &err) < 0 && err.kind == PE_ERR_INVALID,
              "a device that names another file, as a copy-on-write file does, is refused");
        end_subject(&subject);
    }
}

static int boots(const struct vm_host *host)
{
    struct subject first, second;
    struct pe_error err;
    size_t open_before = count_entries("/proc/self/fd");
    check_booted(host, false, &first);
    check_done(boot(host, &second, false, &err), &err, "a second VM runs at the same time");
    check(answers(&second, "count", "1") && answers(&first, "count", "2"), "each has its own memory");
    check(answers(&second, "sleep", "ready"), "the clock of a guest goes on");
    check(cpus_of(first.vm.pid) == 1, "a VM stays on one CPU");
    pid_t pid = first.vm.pid;
    end_subject(&first);
    check(is_gone(pid) && session_is_empty(host, pid), "nothing is left of a VM that was killed");
    check(answers(&second, "count", "2"), "and the other one goes on");
    end_subject(&second);
    check_booted_ends(host, "poweroff");
    check_booted_ends(host, "panic");
    check_refused(host);
    check(count_entries(host->run_dir) == 0, "no file is left");
    check(count_entries("/proc/self/fd") == open_before, "every descriptor is closed");
    return failures ? 1 : 0;
}

static const struct vmm_driver *driver_of(const char *name)
{
    if (!strcmp(name, "qemu"))
        return &vmm_qemu;
    return !strcmp(name, "uml") ? &vmm_uml : &vmm_cloud_hypervisor;
}

static enum vm_accel accel_of(const struct vmm_driver *driver)
{
    if (driver == &vmm_qemu)
        return VM_ACCEL_TCG;
    return driver == &vmm_uml ? VM_ACCEL_NONE : VM_ACCEL_KVM;
}

static int print_jail(const struct vm_host *host)
{
    for (int i = 0; i < JAIL_PROTECTION_COUNT; i++) {
        const struct jail_finding *finding = &host->jail->report.findings[i];
        printf("%s: %s\n", jail_protection_name(i), finding->active ? "active" : finding->why);
    }
    return 0;
}

static int run(const char *command, const struct vm_host *host)
{
    if (!strcmp(command, "clone"))
        return clone_only(host);
    if (!strcmp(command, "walk"))
        return walk(host);
    if (!strcmp(command, "boots"))
        return boots(host);
    if (!strcmp(command, "endings"))
        return endings(host);
    return boot_only(host, !strcmp(command, "hold"));
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    const char *command = argv[1];
    const struct vmm_driver *driver = driver_of(argv[2]);
    unsigned long id = strtoul(argv[7], NULL, 10);
    struct vm_host host = {.driver = driver,
                           .accel = accel_of(driver),
                           .cpu_flags = "",
                           .kernel = argv[4],
                           .initramfs = argv[5],
                           .qemu = argv[3],
                           .cloud_hypervisor = argv[3],
                           .uml_kernel = argv[3],
                           .run_dir = argv[6],
                           .uid = (uid_t)id,
                           .gid = (gid_t)id};
    const char *more[8];
    char *rest = NULL, *paths = getenv("WALK_VMM_PATHS");
    for (char *path = paths ? strtok_r(paths, ":", &rest) : NULL; path && host.vmm_path_count < 8;
         path = strtok_r(NULL, ":", &rest))
        more[host.vmm_path_count++] = path;
    host.vmm_paths = more;
    signal(SIGPIPE, SIG_IGN);
    if (!strcmp(command, "version"))
        return print_version(&host);
    struct pe_error err;
    if (vm_host_confine(&host, &err) < 0) {
        printf("error: %s\n", err.message);
        return 1;
    }
    vm_sweep(&host);
    int status = strcmp(command, "jail") != 0 ? run(command, &host) : print_jail(&host);
    vm_host_release(&host);
    return status;
}
