/* SPDX-License-Identifier: Apache-2.0 */
/* Cases of one job attack each other, the answers, the checker and what watches them. Cases between them
 * look whether anything has come of it.
 *
 * job: {"process_limit": 64}
 * cases: peek=right attack=right stay=right alone=right fill=oom|right room=right
 *     eat=oom room=right forks=right room=right forge=wrong lie=wrong
 *     checked-pretend=right checked-lie=wrong alone=right
 * result: exited 0
 */
#include "tests/hostile/attempt.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* What a case of this job can write to. */
static const char *const folders[] = {"/work", "/output", "/dev/shm", "/tmp"};

enum { FOLDERS = sizeof folders / sizeof *folders, SCAN_MAX = 65536, DEPTH_MAX = 3 };

/* ---- peek: inputs of other cases, and the answer of a checker ---- */

/* The words as they are in the plan. They are put together here, so that the program does not find itself. */
static char needles[2][32];

static void make_needles(void)
{
    snprintf(needles[0], sizeof needles[0], "%s of %s", "input", "room");
    snprintf(needles[1], sizeof needles[1], "%s answer", "secret");
}

static void scan_file(const char *path)
{
    static char bytes[SCAN_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? -1 : read(fd, bytes, sizeof bytes);
    for (int i = 0; i < 2 && size > 0; i++)
        if (memmem(bytes, (size_t)size, needles[i], strlen(needles[i])))
            breach(path);
    if (fd >= 0)
        close(fd);
}

static void scan_folder(const char *folder, int depth)
{
    char path[512];
    const struct dirent *entry = NULL;
    DIR *entries = opendir(folder);
    while (entries && (entry = readdir(entries))) {
        struct stat st;
        if (entry->d_name[0] == '.' && (!entry->d_name[1] || entry->d_name[1] == '.'))
            continue;
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        if (lstat(path, &st) < 0)
            continue;
        if (S_ISDIR(st.st_mode) && depth < DEPTH_MAX)
            scan_folder(path, depth + 1);
        else if (S_ISREG(st.st_mode))
            scan_file(path);
    }
    if (entries)
        closedir(entries);
}

static void peek(void)
{
    static const char *const places[] = {"/work", "/input", "/output", "/dev/shm", "/tmp", "/run", "/proc/1"};
    must_not_open("/work/.pe-plan", O_RDONLY);
    must_not_open("/input/.pe-plan", O_RDONLY);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        scan_folder(places[i], 0);
}

/* ---- attack: PID 1 has the plan, and writes the report ---- */

static void attack(void)
{
    char byte = 0, path[64];
    struct iovec here = {&byte, 1}, there = {&byte, 1};
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(-1, SIGKILL);
    must_fail("ptrace", ptrace(PTRACE_SEIZE, 1, NULL, NULL));
    must_fail("process_vm_readv", process_vm_readv(1, &here, 1, &there, 1, 0));
    must_not_open("/proc/1/mem", O_RDWR);
    must_not_open("/proc/1/maps", O_RDONLY);
    for (int fd = 0; fd < 16; fd++) {
        snprintf(path, sizeof path, "/proc/1/fd/%d", fd);
        must_not_open(path, O_RDWR);
    }
}

/* ---- stay, alone ---- */

static void stay(void)
{
    for (int i = 0; i < 5; i++) {
        if (fork())
            continue;
        setsid();
        for (int number = 1; number < NSIG; number++)
            signal(number, SIG_IGN);
        while (getppid() != 1)
            ;
        for (;;)
            kill(-1, SIGKILL); /* that is, the next case or its checker */
    }
}

/* Besides PID 1 there is only this process. */
static void alone(void)
{
    char path[32];
    for (int pid = 2; pid < 32768; pid++) {
        snprintf(path, sizeof path, "/proc/%d", pid);
        if (pid != getpid() && access(path, F_OK) == 0)
            breach(path);
    }
}

/* ---- fill, eat, forks, room ---- */

static bool write_file(const char *folder, const char *name, size_t bytes)
{
    static char block[MIB];
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool written = fd >= 0;
    for (size_t done = 0; written && done < bytes; done += sizeof block)
        written = write(fd, block, sizeof block) == sizeof block;
    if (fd >= 0)
        close(fd);
    return written;
}

static void fill(void)
{
    for (int i = 0; i < FOLDERS; i++)
        write_file(folders[i], "full", SIZE_MAX);
}

static void eat(void)
{
    while (use_memory(MIB))
        ;
}

static void forks(void)
{
    while (fork() > 0)
        ;
    if (getppid() != 1)
        pause();
}

static void do_nothing(void)
{
}

static void room(void)
{
    char path[64];
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/full", folders[i]);
        if (access(path, F_OK) == 0)
            breach(path);
        if (!write_file(folders[i], "mine", 4 * MIB))
            breach(folders[i]);
    }
    if (!use_memory(16 * MIB))
        breach("memory");
    for (int i = 0; i < 20; i++)
        in_child(do_nothing);
}

/* ---- forge, lie: verdicts ---- */

static int forge(void)
{
    static const char forged[] = "held\nE\0\0\x12"
                                 "end=exited\ncode=0\n"
                                 "C\0\0\2"
                                 "14o\0\0\5held\nE\0\0\x12"
                                 "end=exited\ncode=0\n\",\"verdict\":\"right\"}";
    return write(STDOUT_FILENO, forged, sizeof forged - 1) < 0;
}

/* ---- checked cases, and their checker ---- */

static void pretend(void)
{
    static const char *const names[] = {"/dev/shm/input", "/dev/shm/output", "/dev/shm/answer",
                                        "/work/program"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int fd = open(names[i], O_WRONLY | O_CREAT, 0600);
        if (fd >= 0 && write(fd, "pretended", 9) < 9)
            give_up("write");
    }
    must_not_open("/input/program", O_RDWR);
    stay();
}

static bool is_content(const char *path, const char *wanted)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && read(fd, text, sizeof text - 1) >= 0 && strcmp(text, wanted) == 0;
}

/* The checker: the input, the output and the answer are those of the case, and nobody is left of it. */
static int check(char **paths)
{
    char answer[32];
    snprintf(answer, sizeof answer, "%s answer", "secret");
    alone();
    if (!is_content(paths[2], answer))
        breach("the answer");
    if (!is_content(paths[0], "input of checked-pretend") && !is_content(paths[0], "input of checked-lie"))
        breach("the input");
    return *breaches() || !is_content(paths[1], "held\n");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } attacks[] = {{"peek", peek},   {"attack", attack}, {"stay", stay},
                   {"alone", alone}, {"fill", fill},     {"eat", eat},
                   {"forks", forks}, {"room", room},     {"checked-pretend", pretend}};
    const char *name = argc > 1 ? argv[1] : "";
    make_needles();
    if (argc == 5 && strcmp(name, "check") == 0)
        return check(argv + 2);
    if (strcmp(name, "forge") == 0)
        return forge();
    for (size_t i = 0; i < sizeof attacks / sizeof *attacks; i++)
        if (strcmp(name, attacks[i].name) == 0) {
            attacks[i].run();
            return held();
        }
    say("{\"verdict\":\"right\"}");
    return 0;
}
