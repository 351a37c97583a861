/* SPDX-License-Identifier: Apache-2.0 */
/* What the program of one case tries to do to the next one and to what watches it: case_attack leave, and
 * then case_attack look, which prints what it found. Used by tests only. */

#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KEY 0x7065
#define QUEUE "/queue-of-a-case"

/* Names below which a case can write, or tries to. */
static const char *const folders[] = {"/work",
                                      "/work/tree",
                                      "/work/deep/er",
                                      "/tmp",
                                      "/var/tmp",
                                      "/etc",
                                      "/dev",
                                      "/dev/shm",
                                      "/output",
                                      "/root",
                                      "/",
                                      "/bin",
                                      "/work/..",
                                      "/..",
                                      "/proc/1/root",
                                      "/proc/1/root/work",
                                      "/proc/1/cwd",
                                      "/proc/self/root/../..",
                                      "/input",
                                      "/sys",
                                      "/run"};

static int breaches;

static void breach(const char *what)
{
    printf("BREACH: %s\n", what);
    breaches++;
}

/* ---- leave ---- */

static void leave_files(void)
{
    char path[256];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/left", folders[i]);
        int fd = open(path, O_CREAT | O_RDWR, 0777);
        if (fd >= 0 && write(fd, "left", 4) == 4)
            flock(fd, LOCK_EX | LOCK_NB);
    }
    if (unlink("/work/tree/file") < 0)
        breach("a case cannot change its own files");
    symlink("/etc", "/work/moved");
    symlink("/etc", "/work/link");
    int program = open("/work/case_attack", O_WRONLY | O_TRUNC);
    if (program < 0 && errno != ETXTBSY)
        breach("a case cannot open its program");
    unlink("/work/case_attack");
    unlink("/bin/cat");
    chmod("/", 0);
    chmod("/work", 0);
    chmod("/tmp", 0);
    chmod("/dev/null", 0);
}

static void leave_objects(void)
{
    struct mq_attr attr = {.mq_maxmsg = 1, .mq_msgsize = 8};
    if (shmget(KEY, 4096, IPC_CREAT | 0666) < 0 || semget(KEY, 1, IPC_CREAT | 0666) < 0 ||
        msgget(KEY, IPC_CREAT | 0666) < 0 || mq_open(QUEUE, O_CREAT | O_RDWR, 0666, &attr) < 0)
        printf("no object: %s\n", strerror(errno));
}

/* A process in a session of its own that ignores signals, and children that nobody waits for. */
static void leave_processes(void)
{
    for (int i = 0; i < 5; i++) {
        if (fork())
            continue;
        setsid();
        for (int signal_number = 1; signal_number < NSIG; signal_number++)
            signal(signal_number, SIG_IGN);
        prctl(PR_SET_NAME, "left");
        for (;;)
            pause();
    }
}

static void attack_watcher(void)
{
    kill(1, SIGKILL);
    kill(1, SIGSTOP);
    kill(1, SIGTERM);
    if (open("/proc/1/mem", O_RDWR) >= 0 || open("/proc/1/fd/1", O_WRONLY) >= 0 ||
        open("/proc/1/fd/3", O_RDWR) >= 0)
        breach("descriptors or memory of PID 1");
}

/* The old root is below the mount of proc. */
static void attack_mounts(void)
{
    if (umount2("/proc", MNT_DETACH) == 0 || umount2("/work", MNT_DETACH) == 0 ||
        umount2("/", MNT_DETACH) == 0)
        breach("unmounting");
    if (mount("/", "/mnt", NULL, MS_BIND | MS_REC, NULL) == 0 || chroot("/proc/..") == 0)
        breach("mounting or changing the root");
    if (syscall(SYS_pivot_root, ".", ".") == 0)
        breach("pivot_root");
    if (syscall(SYS_open_tree, AT_FDCWD, "/proc", 1) >= 0)
        breach("open_tree");
}

static int leave(void)
{
    attack_watcher();
    attack_mounts();
    leave_processes();
    leave_objects();
    leave_files();
    ftruncate(STDIN_FILENO, 0);
    setpriority(PRIO_USER, 0, 19);
    printf("left, %d breaches\n", breaches);
    fflush(stdout);
    raise(SIGKILL);
    return 1;
}

/* ---- look ---- */

static void look_for_files(void)
{
    char path[256];
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        snprintf(path, sizeof path, "%s/left", folders[i]);
        if (access(path, F_OK) == 0)
            breach(path);
    }
    if (access("/work/tree/file", F_OK) < 0 || access("/work/deep/er", F_OK) < 0 ||
        access("/bin/cat", F_OK) < 0)
        breach("a file is missing");
    if (access("/work/moved", F_OK) == 0 || access("/work/link", F_OK) == 0)
        breach("a file of another case");
}

static void look_at_modes(void)
{
    static const struct {
        const char *path;
        mode_t mode;
    } modes[] = {{"/", 0755}, {"/work", 0777}, {"/output", 0777}, {"/dev/shm", 01777}, {"/dev/null", 0666}};
    struct stat st;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (stat(modes[i].path, &st) < 0 || (st.st_mode & 07777) != modes[i].mode)
            breach(modes[i].path);
}

static void look_for_objects(void)
{
    if (shmget(KEY, 0, 0) >= 0)
        breach("shared memory");
    if (semget(KEY, 0, 0) >= 0)
        breach("semaphores");
    if (msgget(KEY, 0) >= 0)
        breach("a message queue");
    if (mq_open(QUEUE, O_RDONLY) >= 0)
        breach("a POSIX message queue");
}

/* Besides PID 1 there is only this process. */
static void look_for_processes(void)
{
    char path[32];
    for (int pid = 2; pid < 32768; pid++) {
        snprintf(path, sizeof path, "/proc/%d", pid);
        if (pid != getpid() && access(path, F_OK) == 0)
            breach(path);
    }
}

static void look_at_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max < 100)
        breach("the limit of open files");
    if (getpriority(PRIO_PROCESS, 0) != 0)
        breach("the priority of another case");
}

static int look(void)
{
    char line[16] = "";
    ssize_t size = read(STDIN_FILENO, line, sizeof line - 1);
    printf("input %zd %s\n", size, line);
    look_for_files();
    look_at_modes();
    look_for_objects();
    look_for_processes();
    look_at_limits();
    printf("looked, %d breaches\n", breaches);
    return breaches;
}

int main(int argc, char **argv)
{
    return argc > 1 && !strcmp(argv[1], "leave") ? leave() : look();
}
