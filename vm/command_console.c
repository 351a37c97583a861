/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm console: what the guest wrote to its console, and a terminal on it. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/raw_terminal.h"
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/console.h"
#include "vm/talk.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ctrl-], as telnet(1) has it, ends a terminal. */
#define LEAVE 0x1d

static int print_file(const char *path, struct pe_error *err)
{
    char bytes[65536];
    pe_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : pe_fail_errno(err, "cannot open %s", path);
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) != 0;) {
        if (n < 0)
            return pe_fail_errno(err, "cannot read %s", path);
        if (pe_write_all(STDOUT_FILENO, bytes, (size_t)n, "standard output", err) < 0)
            return -1;
    }
    return 0;
}

static int print_kept(const struct place *place, const struct vmname *name, struct pe_error *err)
{
    char path[PLACE_FILE_MAX];
    place_file(place, name, "console" CONSOLE_OLD, path);
    if (print_file(path, err) < 0)
        return -1;
    place_file(place, name, "console", path);
    return print_file(path, err);
}

/* Returns 1 at the end, 0 if there is more to come. */
static int show(int fd, struct pe_error *err)
{
    char packet[8192];
    const ssize_t n = recv(fd, packet, sizeof packet, 0);
    if (n < 0 && errno == EINTR)
        return 0;
    if (n <= 1)
        return 1;
    return pe_write_all(STDOUT_FILENO, packet + 1, (size_t)n - 1, "standard output", err);
}

/* Returns 1 when the user leaves. */
static int pass_keys(int fd, int *input)
{
    char bytes[TALK_PIECE_MAX];
    const ssize_t n = read(*input, bytes, sizeof bytes);
    if (n <= 0) {
        *input = -1;
        return 0;
    }
    for (ssize_t i = 0; i < n; i++)
        if (bytes[i] == LEAVE)
            return 1;
    return talk_send_packet(fd, TALK_INPUT, bytes, (size_t)n) < 0;
}

static int follow(int fd, struct pe_error *err)
{
    int input = STDIN_FILENO;
    for (;;) {
        struct pollfd wait[] = {{.fd = fd, .events = POLLIN}, {.fd = input, .events = POLLIN}};
        if (poll(wait, 2, -1) < 0 && errno != EINTR)
            return pe_fail_errno(err, "cannot wait for the console");
        const int ended = wait[0].revents ? show(fd, err) : 0;
        if (ended)
            return ended < 0 ? -1 : 0;
        if (wait[1].revents && pass_keys(fd, &input))
            return 0;
    }
}

static int follow_in_raw_mode(int fd, struct pe_error *err)
{
    const bool is_terminal = isatty(STDIN_FILENO);
    if (is_terminal) {
        fprintf(stderr, "pe-vm: Ctrl-] leaves the console\n");
        if (pe_raw_terminal_begin(err) < 0)
            return -1;
    }
    const int failed = follow(fd, err);
    pe_raw_terminal_end();
    return failed;
}

int command_console(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    bool attach = false;
    const struct pe_option options[] = {{"follow", 'f', NULL,
                                         "go on until the VM ends, and send what is typed; Ctrl-] leaves",
                                         PE_OPTION_FLAG, &attach},
                                        COMMAND_PLACE_OPTION(path),
                                        {0}};
    const struct pe_program program = {
        .name = "pe-vm console",
        .usage = "[options] NAME",
        .about = "Print what the guest wrote to its console, also after the VM has ended.",
        .options = options};
    struct place place;
    struct vmname name;
    enum place_state state;
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0 ||
        place_find_state(&place, &name, &state, err) < 0)
        return -1;
    if (!attach)
        return print_kept(&place, &name, err);
    pe_autojson json_t *answer = NULL;
    pe_autoclose int fd = talk_connect(&place, &name, err);
    if (fd < 0 || talk_send(fd, json_pack("{s:s}", "command", "follow"), err) < 0 ||
        talk_receive(fd, &answer, err) < 0 || print_kept(&place, &name, err) < 0)
        return -1;
    return follow_in_raw_mode(fd, err);
}
