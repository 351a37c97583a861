/* SPDX-License-Identifier: Apache-2.0 */
/* The signs that the owner of a host works there, in folders that stand for /proc and /dev. */
#include "tests/unit/check.h"
#include "worker/owner_activity.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WORKER = 100, RECENT_S = 300 };

static char top[] = "/tmp/pe-test-owner-XXXXXX", proc[64], dev[64];

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* All programs together have used so many ticks. */
static void use(unsigned busy)
{
    char text[200];
    snprintf(text, sizeof text, "cpu  %u 0 0 999999 5 6 7 0 0 0\ncpu0 1 2 3\n", busy);
    write_file(proc, "stat", text);
}

static void add_process(int pid, int parent, const char *name, unsigned ticks)
{
    char folder[16], file[32], text[300];
    snprintf(folder, sizeof folder, "%d", pid);
    snprintf(text, sizeof text, "%s/%s", proc, folder);
    mkdir(text, 0755);
    snprintf(text, sizeof text, "%d (%s) S %d 1 1 0 -1 4194560 1 2 3 4 %u 0 0 0 20 0 1 0 55 66 77\n", pid,
             name, parent, ticks);
    snprintf(file, sizeof file, "%s/stat", folder);
    write_file(proc, file, text);
}

/* Somebody has typed at this terminal so many seconds ago. */
static void add_terminal(const char *name, time_t ago)
{
    char path[256];
    const struct timespec times[2] = {{.tv_sec = time(NULL) - ago}, {.tv_sec = time(NULL)}};
    write_file(dev, name, "");
    snprintf(path, sizeof path, "%s/%s", dev, name);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void let_logind_say(const char *answer)
{
    char text[200];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", answer);
    write_file(top, "loginctl", text);
    snprintf(text, sizeof text, "%s/loginctl", top);
    assert_int_equal(chmod(text, 0755), 0);
}

static struct owner_activity quiet_host(void)
{
    use(1000);
    add_process(WORKER, 1, "pe-worker", 10);
    add_process(WORKER + 1, WORKER, "pe-slot", 20);
    add_process(WORKER + 2, WORKER + 1, "odd) S 1 (name", 30);
    add_process(7, 1, "editor", 500);
    add_terminal("tty1", 4000);
    add_terminal("pts/0", 4000);
    add_terminal("pts/ptmx", 0);
    add_terminal("ttyprintk", 0);
    let_logind_say("echo IdleHint=yes");
    struct owner_activity activity = {
        .proc = proc, .dev = dev, .worker = WORKER, .cpu_percent_most = 10, .recent_s = RECENT_S};
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
    return activity;
}

static void on_a_quiet_host_nothing_is_a_sign(void **state)
{
    (void)state;
    struct owner_activity activity = quiet_host();
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
}

static void other_programs_that_compute_are_a_sign(void **state)
{
    (void)state;
    struct owner_activity activity = quiet_host();
    use(1000 + 1000000);
    assert_int_equal(owner_look(&activity), OWNER_CPU);
    assert_int_equal(owner_look(&activity), OWNER_AWAY); /* they compute no more */
}

static void what_the_worker_and_its_vms_compute_is_none(void **state)
{
    (void)state;
    struct owner_activity activity = quiet_host();
    use(1000 + 1000000);
    add_process(WORKER + 2, WORKER + 1, "odd) S 1 (name", 30 + 1000000);
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
}

static void input_of_a_terminal_is_a_sign_for_a_while(void **state)
{
    (void)state;
    static const char *const terminals[] = {"tty1", "pts/0"};
    for (size_t i = 0; i < 2; i++) {
        struct owner_activity activity = quiet_host();
        add_terminal(terminals[i], RECENT_S / 2);
        assert_int_equal(owner_look(&activity), OWNER_TERMINAL);
        add_terminal(terminals[i], RECENT_S + 10);
        assert_int_equal(owner_look(&activity), OWNER_AWAY);
    }
}

static void a_time_far_in_the_future_is_none(void **state)
{
    (void)state;
    struct owner_activity activity = quiet_host();
    add_terminal("tty1", -86400);
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
}

static void a_session_that_is_not_idle_is_a_sign(void **state)
{
    (void)state;
    struct owner_activity activity = quiet_host();
    let_logind_say("echo IdleHint=no");
    assert_int_equal(owner_look(&activity), OWNER_SESSION);
    let_logind_say("echo Failed to connect to bus; exit 1");
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
    let_logind_say("exit 0");
    assert_int_equal(owner_look(&activity), OWNER_AWAY);
}

static void each_sign_has_a_text(void **state)
{
    (void)state;
    for (unsigned sign = 0; sign < OWNER_SIGNS; sign++)
        assert_true(strlen(owner_sign_text((enum owner_sign)sign)) > 0);
}

static int make_folders(void **state)
{
    (void)state;
    char path[128];
    if (!mkdtemp(top))
        return -1;
    snprintf(proc, sizeof proc, "%s/proc", top);
    snprintf(dev, sizeof dev, "%s/dev", top);
    snprintf(path, sizeof path, "%s/pts", dev);
    snprintf(path + 64, 64, "%s:/usr/bin:/bin", top);
    setenv("PATH", path + 64, 1);
    return mkdir(proc, 0755) < 0 || mkdir(dev, 0755) < 0 || mkdir(path, 0755) < 0 ? -1 : 0;
}

static int remove_folders(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", top);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_quiet_host_nothing_is_a_sign),
        cmocka_unit_test(other_programs_that_compute_are_a_sign),
        cmocka_unit_test(what_the_worker_and_its_vms_compute_is_none),
        cmocka_unit_test(input_of_a_terminal_is_a_sign_for_a_while),
        cmocka_unit_test(a_time_far_in_the_future_is_none),
        cmocka_unit_test(a_session_that_is_not_idle_is_a_sign),
        cmocka_unit_test(each_sign_has_a_text),
    };
    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
