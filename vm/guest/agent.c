/* SPDX-License-Identifier: Apache-2.0 */
/* pe-agent: runs commands for `pe-vm exec` in a guest. As PID 1 it is the whole user space of pe-vm's own
 * guest; in another system it is a service: pe-agent /dev/ttyS1. What it says is in vm/agent_frame.h, and
 * how it runs a command in vm/guest/command.c. */
#include "base/cleanup.h"
#include "base/io.h"
#include "guest-init/modules.h"
#include "guest-init/serial.h"
#include "vm/agent_frame.h"
#include "vm/guest/command.h"
#include "vm/guest/machine.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct agent {
    int line;    /* to the host */
    int signals; /* signalfd: children have ended */
    struct pe_buf received;
    unsigned looks;        /* how often it will still look for added CPUs and memory, */
    uint64_t next_look_us; /* once a second */
    struct command command;
};

/* What is added needs some time to appear in the guest. */
#define LOOKS 20

static int send(const struct agent *agent, enum agent_message type, const void *payload, size_t size,
                struct pe_error *err)
{
    pe_autobuf struct pe_buf out = {0};
    if (agent_frame_put(&out, type, payload, size, err) < 0)
        return -1;
    return pe_write_all(agent->line, out.data, out.size, "the line to the host", err);
}

static int send_exit(const struct agent *agent, const struct command_end *end, struct pe_error *err)
{
    uint8_t payload[AGENT_PAYLOAD_MAX];
    size_t length = strlen(end->why);
    if (length > sizeof payload - 2)
        length = sizeof payload - 2;
    payload[0] = (uint8_t)end->how;
    payload[1] = end->value;
    memcpy(payload + 2, end->why, length);
    return send(agent, AGENT_EXIT, payload, length + 2, err);
}

static int start_command(struct agent *agent, struct pe_error *err)
{
    struct command_end end;
    return command_start(&agent->command, &end) < 0 ? send_exit(agent, &end, err) : 0;
}

static int flush_input(struct agent *agent, struct pe_error *err)
{
    return command_flush(&agent->command) ? send(agent, AGENT_ACCEPTED, NULL, 0, err) : 0;
}

static int pass_input(struct agent *agent, const struct agent_frame *frame, struct pe_error *err)
{
    command_write(&agent->command, frame->payload, frame->size);
    if (agent->command.pending.size)
        return flush_input(agent, err);
    return send(agent, AGENT_ACCEPTED, NULL, 0, err); /* it does not read any more */
}

static int obey(struct agent *agent, const struct agent_frame *frame, struct pe_error *err)
{
    switch (frame->type) {
    case AGENT_PING:
        return send(agent, AGENT_HELLO, NULL, 0, err);
    case AGENT_ARGUMENTS:
        return command_add_arguments(&agent->command, frame->payload, frame->size, err);
    case AGENT_EXECUTE:
        return start_command(agent, err);
    case AGENT_INPUT:
        return pass_input(agent, frame, err);
    case AGENT_INPUT_END:
        command_end_input(&agent->command);
        return 0;
    case AGENT_KILL:
        command_kill(&agent->command);
        return 0;
    case AGENT_ONLINE:
        agent->looks = LOOKS;
        return 0;
    case AGENT_POWER_OFF:
        machine_power_off();
        return 0;
    default:
        return 0;
    }
}

static int read_line(struct agent *agent, struct pe_error *err)
{
    uint8_t bytes[512];
    struct agent_frame frame;
    ssize_t n = read(agent->line, bytes, sizeof bytes);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (n <= 0)
        return pe_fail_errno(err, "cannot read the line to the host");
    if (pe_buf_append(&agent->received, bytes, (size_t)n, err) < 0)
        return -1;
    while (agent_frame_take(&agent->received, &frame))
        if (obey(agent, &frame, err) < 0)
            return -1;
    return 0;
}

/* Pass on a piece of what the command wrote to this descriptor; it is closed at its end. Returns the number
 * of bytes, 0 if there are none now, or -1. */
static int pass_output(struct agent *agent, int *fd, enum agent_message type, struct pe_error *err)
{
    uint8_t bytes[AGENT_PAYLOAD_MAX];
    const ssize_t n = *fd < 0 ? 0 : read(*fd, bytes, sizeof bytes);
    if (n < 0)
        return 0;
    if (n == 0 && *fd >= 0)
        close(pe_steal_fd(fd));
    if (n > 0 && send(agent, type, bytes, (size_t)n, err) < 0)
        return -1;
    return (int)n;
}

/* Pass on what the pipe has now. Other processes may write to it without end, so what comes later does not
 * count. */
static int pass_rest(struct agent *agent, int *fd, enum agent_message type, struct pe_error *err)
{
    int left = 0;
    if (*fd < 0 || ioctl(*fd, FIONREAD, &left) < 0)
        return 0;
    while (left > 0) {
        const int n = pass_output(agent, fd, type, err);
        if (n <= 0)
            return n;
        left -= n;
    }
    return 0;
}

/* What the command has written is sent before its end is. Processes that it left behind may still have its
 * output open; nobody waits for them. */
static int finish_command(struct agent *agent, const struct command_end *end, struct pe_error *err)
{
    const int failed = pass_rest(agent, &agent->command.output, AGENT_OUTPUT, err) < 0 ||
                       pass_rest(agent, &agent->command.errors, AGENT_ERRORS, err) < 0;
    command_close(&agent->command);
    return failed ? -1 : send_exit(agent, end, err);
}

static int reap(struct agent *agent, struct pe_error *err)
{
    struct signalfd_siginfo ignored;
    struct command_end end;
    if (read(agent->signals, &ignored, sizeof ignored) < 0 && errno != EAGAIN)
        return pe_fail_errno(err, "cannot read signals");
    return command_reap(&agent->command, &end) ? finish_command(agent, &end, err) : 0;
}

/* A guest without a tick that is late for its clock's counter loses time (guest-init/serial.c). */
#define LONGEST_SLEEP_MS 1000

static void look_around(struct agent *agent)
{
    const uint64_t now = pe_now_us();
    if (!agent->looks || now < agent->next_look_us)
        return;
    agent->looks--;
    agent->next_look_us = now + 1000000;
    machine_use_everything();
}

static int serve(struct agent *agent, struct pe_error *err)
{
    if (send(agent, AGENT_HELLO, "", 1, err) < 0)
        return -1;
    for (;;) {
        struct pollfd wait[] = {
            {.fd = agent->line, .events = POLLIN},
            {.fd = agent->signals, .events = POLLIN},
            {.fd = agent->command.output, .events = POLLIN},
            {.fd = agent->command.errors, .events = POLLIN},
            {.fd = agent->command.pending.size ? agent->command.input : -1, .events = POLLOUT}};
        if (poll(wait, 5, LONGEST_SLEEP_MS) < 0 && errno != EINTR)
            return pe_fail_errno(err, "cannot wait for the host and for commands");
        look_around(agent);
        if ((wait[2].revents && pass_output(agent, &agent->command.output, AGENT_OUTPUT, err) < 0) ||
            (wait[3].revents && pass_output(agent, &agent->command.errors, AGENT_ERRORS, err) < 0) ||
            (wait[4].revents && flush_input(agent, err) < 0) || (wait[1].revents && reap(agent, err) < 0) ||
            (wait[0].revents && read_line(agent, err) < 0))
            return -1;
    }
}

static int open_signals(struct pe_error *err)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signal(SIGPIPE, SIG_IGN);
    if (sigprocmask(SIG_BLOCK, &child, NULL) < 0)
        return pe_fail_errno(err, "cannot block SIGCHLD");
    int fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
    return fd >= 0 ? fd : pe_fail_errno(err, "cannot open a descriptor for signals");
}

static int run(const char *device, struct pe_error *err)
{
    struct agent agent = {.command = COMMAND_NONE};
    agent.signals = open_signals(err);
    agent.line = agent.signals < 0 ? -1 : serial_open_device(device, err);
    return agent.line < 0 ? -1 : serve(&agent, err);
}

int main(int argc, char **argv)
{
    char device[64];
    struct pe_error err;
    const char *named = getenv("pe_agent"); /* from the kernel's command line */
    snprintf(device, sizeof device, "/dev/%s", named ? named : "ttyS1");
    if (getpid() == 1 && machine_prepare(&err) < 0)
        fprintf(stderr, "pe-agent: %s\n", err.message);
    if (run(argc > 1 && getpid() != 1 ? argv[1] : device, &err) < 0)
        fprintf(stderr, "pe-agent: %s\n", err.message);
    if (getpid() == 1)
        machine_power_off();
    return 1;
}
