/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm exec: a command in the guest, with its input, output and exit status. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/job_spec.h"
#include "vm/agent_frame.h"
#include "vm/command.h"
#include "vm/talk.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMED_OUT 124   /* as timeout(1) */
#define NOT_STARTED 127 /* as sh(1) */
#define SIGNAL_BASE 128 /* as sh(1) */

struct session {
    int fd;        /* to the owner */
    int input;     /* -1: there is none, or it has ended */
    bool may_send; /* the last input was accepted */
    uint64_t left; /* bytes that it may still write */
    int status;
};

static int send_input(struct session *session, struct pe_error *err)
{
    char bytes[TALK_PIECE_MAX];
    const ssize_t n = read(session->input, bytes, sizeof bytes);
    if (n < 0)
        return errno == EINTR || errno == EAGAIN ? 0 : pe_fail_errno(err, "cannot read the standard input");
    session->may_send = false;
    if (n == 0) {
        session->input = -1;
        (void)!talk_send_packet(session->fd, TALK_INPUT_END, NULL, 0);
    } else {
        (void)!talk_send_packet(session->fd, TALK_INPUT, bytes, (size_t)n);
    }
    return 0;
}

static int write_output(struct session *session, int to, const char *bytes, size_t size, struct pe_error *err)
{
    if (size > session->left)
        return pe_fail(err, PE_ERR_TOO_LARGE, "the command wrote too much and was killed; see --max-output");
    session->left -= size;
    return pe_write_all(to, bytes, size, to == STDOUT_FILENO ? "standard output" : "standard error", err);
}

/* Returns 1 at the end. */
static int end(struct session *session, const char *payload, size_t size, struct pe_error *err)
{
    if (size < 2)
        return pe_fail(err, PE_ERR_MALFORMED, "the agent in the guest sent a malformed end of the command");
    const unsigned value = (unsigned char)payload[1];
    session->status = payload[0] == AGENT_EXITED     ? (int)value
                      : payload[0] == AGENT_SIGNALED ? SIGNAL_BASE + (int)value
                                                     : NOT_STARTED;
    if (payload[0] == AGENT_NOT_STARTED)
        fprintf(stderr, "pe-vm: the guest %.*s\n", (int)(size - 2), payload + 2);
    return 1;
}

/* Returns 1 when the command has ended, 0 if it goes on. */
static int receive(struct session *session, struct pe_error *err)
{
    char packet[1 + AGENT_PAYLOAD_MAX];
    const ssize_t n = recv(session->fd, packet, sizeof packet, 0);
    /* The owner may close with input of ours unread. What it has sent before comes after this error. */
    if (n < 0 && (errno == EINTR || errno == ECONNRESET))
        return 0;
    if (n <= 0)
        return pe_fail(err, PE_ERR_LOST, "the VM, or the agent in it, has ended");
    switch (packet[0]) {
    case TALK_OUTPUT:
        return write_output(session, STDOUT_FILENO, packet + 1, (size_t)n - 1, err);
    case TALK_ERRORS:
        return write_output(session, STDERR_FILENO, packet + 1, (size_t)n - 1, err);
    case TALK_ACCEPTED:
        session->may_send = true;
        return 0;
    case TALK_EXIT:
        return end(session, packet + 1, (size_t)n - 1, err);
    default:
        return 0;
    }
}

/* This process may wait for the reader of its output, so a signal ends it. Standard error may have the same
 * reader; the message is for one who reads. */
static void time_out(int number)
{
    static const char message[] = "pe-vm: the command took too long and was killed; see --timeout\n";
    struct pollfd errors = {.fd = STDERR_FILENO, .events = POLLOUT};
    (void)number;
    if (poll(&errors, 1, 0) > 0)
        (void)!write(STDERR_FILENO, message, sizeof message - 1);
    _exit(TIMED_OUT);
}

static int set_timeout(uint64_t seconds, struct pe_error *err)
{
    struct sigaction action = {.sa_handler = time_out};
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    if (sigaction(SIGALRM, &action, NULL) < 0 || sigprocmask(SIG_UNBLOCK, &alarms, NULL) < 0)
        return pe_fail_errno(err, "cannot set the timeout of the command");
    alarm((unsigned)seconds);
    return 0;
}

/* Closing the connection kills the command. */
static int run(struct session *session, struct pe_error *err)
{
    for (;;) {
        struct pollfd wait[] = {{.fd = session->fd, .events = POLLIN},
                                {.fd = session->may_send ? session->input : -1, .events = POLLIN}};
        if (poll(wait, 2, -1) < 0)
            continue;
        const int ended = wait[0].revents ? receive(session, err) : 0;
        if (ended)
            return ended < 0 ? -1 : 0;
        if (wait[1].revents && send_input(session, err) < 0)
            return -1;
    }
}

static int begin(const struct place *place, const struct vmname *name, char **words, struct pe_error *err)
{
    pe_autojson json_t *answer = NULL;
    json_t *list = json_array();
    pe_autoclose int fd = talk_connect(place, name, err);
    for (; *words && list; words++)
        if (json_array_append_new(list, json_string(*words)) < 0) {
            json_decref(list);
            return pe_fail(err, PE_ERR_INVALID, "'%.60s' is not UTF-8", *words);
        }
    if (fd < 0) {
        json_decref(list);
        return -1;
    }
    if (talk_send(fd, json_pack("{s:s, s:o}", "command", "execute", "words", list), err) < 0 ||
        talk_receive(fd, &answer, err) < 0)
        return -1;
    return pe_steal_fd(&fd);
}

int command_exec(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    uint64_t timeout = 0, max_output = 64;
    bool no_input = false;
    const struct pe_option options[] = {
        {"timeout", 't', "SECONDS", "kill the command after so long (default: never)", PE_OPTION_NUMBER,
         &timeout},
        {"max-output", 0, "MIB", "kill it when it has written more (default 64)", PE_OPTION_NUMBER,
         &max_output},
        {"no-input", 'n', NULL, "it has an empty standard input", PE_OPTION_FLAG, &no_input},
        COMMAND_PLACE_OPTION(path),
        {0}};
    const struct pe_program program = {
        .name = "pe-vm exec",
        .usage = "[options] NAME -- COMMAND [ARGUMENT...]",
        .about = "Run a command in the guest, through its agent. Exits as the command does.",
        .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    if (command_begin(&program, argc, argv, &path, true, &place, &name, &rest, err) < 0)
        return -1;
    if (rest < argc && !strcmp(argv[rest], "--"))
        rest++;
    if (rest >= argc)
        return pe_fail(err, PE_ERR_INVALID, "the command is missing; see pe-vm exec --help");
    if (timeout > 1000000 || max_output > 1u << 20)
        return pe_fail(err, PE_ERR_INVALID, "--timeout or --max-output is too large");
    pe_autoclose int fd = begin(&place, &name, argv + rest, err);
    struct session session = {
        .fd = fd, .input = no_input ? -1 : STDIN_FILENO, .may_send = true, .left = max_output << 20};
    if (fd < 0 || (timeout && set_timeout(timeout, err) < 0))
        return -1;
    if (no_input)
        (void)!talk_send_packet(fd, TALK_INPUT_END, NULL, 0);
    if (run(&session, err) < 0)
        return -1;
    return session.status;
}
