/* SPDX-License-Identifier: Apache-2.0 */
/* Three signs: CPU time in /proc (proc(5)), the time of the last input of terminals, which w(1) shows as
 * well, and the idle hint of logind, which desktops set (org.freedesktop.login1(5)). The time stamps of input
 * devices below /dev/input say nothing: evdev does not change them. */
#include "worker/owner_activity.h"

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROCESSES_MAX 65536u
#define LOGIND_MS 5000
#define CLOCK_SKEW_S 60 /* a time stamp further in the future is wrong, because the clock was set */

extern char **environ;

const char *owner_sign_text(enum owner_sign sign)
{
    static const char *const texts[OWNER_SIGNS] = {
        [OWNER_AWAY] = "the owner does not work here",
        [OWNER_UNKNOWN] = "whether the owner works here is not known yet",
        [OWNER_CPU] = "the owner works here: other programs use the processor",
        [OWNER_TERMINAL] = "the owner works here: somebody types at a terminal",
        [OWNER_SESSION] = "the owner works here: logind has a session that is not idle"};
    return sign < OWNER_SIGNS ? texts[sign] : "";
}

/* ---- CPU time ---- */

struct process {
    long pid, parent;
    uint64_t ticks; /* of itself, and of its children that have ended */
    bool own;
};

/* Read a small file below `folder` as text. */
static int read_text(const char *folder, const char *name, char *text, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);
    if (n < 0)
        return -1;
    text[n] = '\0';
    return 0;
}

/* The name of a program can have any bytes, so what follows it begins behind the last parenthesis. */
static bool read_process(const char *proc, const char *name, struct process *process)
{
    char file[64], text[1024];
    long long user = 0, system = 0, waited_user = 0, waited_system = 0;
    snprintf(file, sizeof file, "%.20s/stat", name);
    if (read_text(proc, file, text, sizeof text) < 0)
        return false;
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest + 1, " %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lld %lld %lld %lld",
                        &process->parent, &user, &system, &waited_user, &waited_system) != 5)
        return false;
    process->pid = strtol(name, NULL, 10);
    process->ticks = (uint64_t)(user + system + waited_user + waited_system);
    process->own = false;
    return true;
}

static size_t list_processes(const char *proc, struct process *list)
{
    size_t count = 0;
    pe_autodir DIR *folder = opendir(proc);
    for (struct dirent *entry; folder && count < PROCESSES_MAX && (entry = readdir(folder));)
        if (isdigit((unsigned char)entry->d_name[0]) && read_process(proc, entry->d_name, &list[count]))
            count++;
    return count;
}

static int compare_pids(const void *a, const void *b)
{
    const struct process *one = a, *other = b;
    return (one->pid > other->pid) - (one->pid < other->pid);
}

/* Whether the process is the worker, or below it. Process ids may be used again, so there may be circles. */
static bool is_below(const struct process *list, size_t count, const struct process *process, long worker)
{
    for (int depth = 0; process && depth < 64; depth++) {
        if (process->pid == worker)
            return true;
        const struct process parent = {.pid = process->parent};
        process = bsearch(&parent, list, count, sizeof *list, compare_pids);
    }
    return false;
}

/* Children that the worker has waited for count with their parent, so the sum never becomes smaller. */
static uint64_t own_ticks(const char *proc, pid_t worker)
{
    uint64_t ticks = 0;
    pe_autofree struct process *list = malloc(PROCESSES_MAX * sizeof *list);
    const size_t count = list ? list_processes(proc, list) : 0;
    if (count)
        qsort(list, count, sizeof *list, compare_pids);
    for (size_t i = 0; i < count; i++)
        if (is_below(list, count, &list[i], worker))
            ticks += list[i].ticks;
    return ticks;
}

/* What programs have used: user, nice and system. Interrupts cannot be told apart. */
static uint64_t busy_ticks(const char *proc)
{
    char text[512];
    unsigned long long user = 0, nice = 0, system = 0;
    if (read_text(proc, "stat", text, sizeof text) < 0 ||
        sscanf(text, "cpu %llu %llu %llu", &user, &nice, &system) != 3)
        return 0;
    return user + nice + system;
}

static bool others_compute(struct owner_activity *activity)
{
    const long hz = sysconf(_SC_CLK_TCK), cpus = sysconf(_SC_NPROCESSORS_ONLN);
    const uint64_t now_us = pe_now_us(), own = own_ticks(activity->proc, activity->worker);
    const uint64_t busy = busy_ticks(activity->proc);
    const double had =
        activity->looked_us ? (double)(now_us - activity->looked_us) / 1e6 * (double)(hz * cpus) : 0;
    const double used = (double)(busy - activity->busy) - (double)(own - activity->own);
    activity->busy = busy;
    activity->own = own;
    activity->looked_us = now_us;
    return had > 0 && used * 100 > had * activity->cpu_percent_most;
}

/* ---- terminals ---- */

/* The kernel sets the access time of a terminal when a program reads from it, at most every 8 seconds. */
static bool was_typed_at(const char *folder, const char *prefix, uint32_t recent_s)
{
    const time_t now = time(NULL);
    const size_t length = strlen(prefix);
    pe_autodir DIR *list = opendir(folder);
    for (struct dirent *entry; list && (entry = readdir(list));) {
        struct stat status;
        if (strncmp(entry->d_name, prefix, length) != 0 || !isdigit((unsigned char)entry->d_name[length]) ||
            fstatat(dirfd(list), entry->d_name, &status, 0) < 0)
            continue;
        const time_t ago = now - status.st_atime;
        if (ago < (time_t)recent_s && ago > -CLOCK_SKEW_S)
            return true;
    }
    return false;
}

static bool somebody_types(const struct owner_activity *activity)
{
    char terminals[PATH_MAX];
    snprintf(terminals, sizeof terminals, "%s/pts", activity->dev);
    return was_typed_at(activity->dev, "tty", activity->recent_s) ||
           was_typed_at(terminals, "", activity->recent_s);
}

/* ---- logind ---- */

/* Start loginctl, and return where its output can be read. */
static int start_loginctl(pid_t *pid)
{
    char *argv[] = {(char *)"loginctl", (char *)"show-session", (char *)"--property=IdleHint", NULL};
    int ends[2];
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!failed)
        return ends[0];
    close(ends[0]);
    return -1;
}

/* Without the name of a session, loginctl shows what holds for all of them. */
static bool a_session_is_active(void)
{
    char text[64] = "";
    pid_t pid = 0;
    pe_autoclose int fd = start_loginctl(&pid);
    if (fd < 0)
        return false;
    struct pollfd output = {.fd = fd, .events = POLLIN};
    ssize_t n = poll(&output, 1, LOGIND_MS) > 0 ? read(fd, text, sizeof text - 1) : -1;
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return n > 0 && !strncmp(text, "IdleHint=no", strlen("IdleHint=no"));
}

enum owner_sign owner_look(struct owner_activity *activity)
{
    const bool computes = others_compute(activity);
    if (somebody_types(activity))
        return OWNER_TERMINAL;
    if (a_session_is_active())
        return OWNER_SESSION;
    return computes ? OWNER_CPU : OWNER_AWAY;
}
