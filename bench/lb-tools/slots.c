/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in for a worker, without VMs. It has a registration and slots that answer every job after
 * a fixed time. It is one process. With --fork each slot is a process of its own, which is replaced
 * when it is killed.
 *
 *   lb-slots HOST:PORT NAME SLOTS WORK_MS STDOUT_BYTES [--fork LOG]
 *
 * If STDOUT_BYTES is 0, stdout is the input of the job. LOG gets a line "T PID INPUT" for each job
 * that a slot takes, and a line "D PID INPUT" for each one that it answers. */
#include "bench/lb-tools/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <wslay/wslay.h>

enum { SLOTS_MAX = 256, INPUT_MAX = 4096, OUT_MAX = 128 * 1024 };

#define DIGEST "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

struct options {
    const char *where, *name;
    int slots, work_ms;
    size_t stdout_bytes;
    const char *log;
};

struct slot {
    const struct options *options;
    wslay_event_context_ptr frames;
    uint64_t due_ms; /* when the job is done; 0: there is no job */
    size_t input_size;
    int fd;
    bool canceled, watched_for_room;
    char id[80];
    char input[INPUT_MAX];
    uint8_t out[OUT_MAX]; /* frames of the next write; a response is written at once */
    size_t out_size;
};

static int log_fd = -1;

static uint64_t now_ms(void)
{
    return now_us() / 1000;
}

static void note(char what, const struct slot *slot)
{
    char line[INPUT_MAX + 32];
    int n =
        snprintf(line, sizeof line, "%c %d %.*s\n", what, (int)getpid(), (int)slot->input_size, slot->input);
    if (log_fd >= 0 && write(log_fd, line, (size_t)n) < 0)
        fail("log");
}

/* ---- the connection ---- */

/* Upgrade to WebSocket. The response's head is read byte by byte, so that no frame is lost. */
static int open_websocket(const char *where, const char *path)
{
    char text[512], head[2048] = "";
    int fd = connect_to(where);
    if (fd < 0)
        return -1;
    int n = snprintf(text, sizeof text,
                     "GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Protocol: pe.slot.v1\r\n\r\n",
                     path);
    size_t used = 0;
    bool complete = false;
    if (write(fd, text, (size_t)n) == n)
        while (!complete && used < sizeof head && read(fd, head + used, 1) == 1) {
            used++;
            complete = used >= 4 && !memcmp(head + used - 4, "\r\n\r\n", 4);
        }
    if (!complete || memcmp(head, "HTTP/1.1 101", 12) != 0) {
        close(fd);
        return -1;
    }
    make_nonblocking(fd);
    return fd;
}

static ssize_t on_receive(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, int flags, void *user)
{
    (void)flags;
    ssize_t n = read(((struct slot *)user)->fd, bytes, size);
    if (n > 0)
        return n;
    wslay_event_set_error(frames,
                          n < 0 && errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr frames, const uint8_t *bytes, size_t size, int flags,
                       void *user)
{
    struct slot *slot = user;
    size_t room = sizeof slot->out - slot->out_size;
    (void)flags;
    if (room == 0) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size = size < room ? size : room;
    memcpy(slot->out + slot->out_size, bytes, size);
    slot->out_size += size;
    return (ssize_t)size;
}

/* Write as much as the connection accepts. -1: the connection is closed. */
static int flush(struct slot *slot)
{
    do {
        if (wslay_event_send(slot->frames) != 0)
            return -1;
        ssize_t n = slot->out_size ? send(slot->fd, slot->out, slot->out_size, MSG_NOSIGNAL) : 0;
        if (n < 0)
            return errno == EAGAIN ? 0 : -1;
        slot->out_size -= (size_t)n;
        memmove(slot->out, slot->out + n, slot->out_size);
    } while (slot->out_size == 0 && wslay_event_want_write(slot->frames));
    return 0;
}

static int on_mask(wslay_event_context_ptr frames, uint8_t *bytes, size_t size, void *user)
{
    (void)frames, (void)user;
    memset(bytes, 0, size);
    return 0;
}

static void send_message(struct slot *slot, uint8_t opcode, const void *bytes, size_t size)
{
    const struct wslay_event_msg message = {.opcode = opcode, .msg = bytes, .msg_length = size};
    wslay_event_queue_msg(slot->frames, &message);
}

static void send_text(struct slot *slot, const char *text)
{
    send_message(slot, WSLAY_TEXT_FRAME, text, strlen(text));
}

/* ---- a job ---- */

static void send_ready(struct slot *slot)
{
    char text[512];
    snprintf(text, sizeof text,
             "{\"type\":\"ready\",\"protocol\":3,\"host\":\"%.200s\",\"warm\":\"bench:1\"}",
             slot->options->name);
    send_text(slot, text);
}

static void answer(struct slot *slot)
{
    static uint8_t zeros[65536];
    char text[2048];
    size_t size = slot->options->stdout_bytes ? slot->options->stdout_bytes : slot->input_size;
    snprintf(
        text, sizeof text,
        "{\"type\":\"result\",\"id\":\"%s\",\"result\":{\"status\":\"exited\",\"exit_code\":0,\"signal\":"
        "null,"
        "\"image\":\"bench:1\",\"image_digest\":\"" DIGEST
        "\",\"isolation\":\"emulation\",\"usage\":{\"wall_ms\":1,\"user_ms\":1,"
        "\"system_ms\":1,\"max_rss_kib\":1},\"timing_ms\":{\"queue\":0,\"vm\":0,\"input\":0,\"run\":1,"
        "\"output\":0}},\"parts\":[{\"kind\":\"stdout\",\"size\":%zu},{\"kind\":\"stderr\",\"size\":0}]}",
        slot->id, size);
    send_text(slot, text);
    if (size)
        send_message(slot, WSLAY_BINARY_FRAME, slot->options->stdout_bytes ? (char *)zeros : slot->input,
                     size);
    snprintf(text, sizeof text, "{\"type\":\"end\",\"id\":\"%s\"}", slot->id);
    send_text(slot, text);
    note('D', slot);
}

static void finish(struct slot *slot)
{
    char text[256];
    if (slot->canceled) {
        snprintf(
            text, sizeof text,
            "{\"type\":\"error\",\"id\":\"%s\",\"problem\":{\"type\":\"/problems/canceled\",\"status\":499}}",
            slot->id);
        send_text(slot, text);
    } else {
        answer(slot);
    }
    slot->due_ms = 0;
    send_ready(slot);
}

static void read_id(struct slot *slot, const char *text, size_t size)
{
    const char *id = memmem(text, size, "\"id\":\"", 6);
    const char *end = id ? memchr(id + 6, '"', size - (size_t)(id + 6 - text)) : NULL;
    if (end)
        snprintf(slot->id, sizeof slot->id, "%.*s", (int)(end - id - 6), id + 6);
    slot->input_size = 0;
    slot->canceled = false;
}

static void on_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *arg,
                       void *user)
{
    struct slot *slot = user;
    const char *text = (const char *)arg->msg;
    (void)frames;
    if (arg->opcode == WSLAY_BINARY_FRAME && slot->input_size + arg->msg_length <= INPUT_MAX) {
        memcpy(slot->input + slot->input_size, arg->msg, arg->msg_length);
        slot->input_size += arg->msg_length;
    }
    if (arg->opcode != WSLAY_TEXT_FRAME)
        return;
    if (memmem(text, arg->msg_length, "\"type\":\"job\"", 12)) {
        read_id(slot, text, arg->msg_length);
    } else if (memmem(text, arg->msg_length, "\"type\":\"end\"", 12)) {
        note('T', slot);
        slot->due_ms = now_ms() + (uint64_t)slot->options->work_ms;
        if (!slot->options->work_ms)
            finish(slot);
    } else if (memmem(text, arg->msg_length, "\"type\":\"cancel\"", 15) && slot->due_ms) {
        slot->canceled = true;
        finish(slot);
    }
}

/* ---- the loop ---- */

static void begin(struct slot *slot, const struct options *options, const char *path)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_receive,
                                                           .send_callback = on_send,
                                                           .genmask_callback = on_mask,
                                                           .on_msg_recv_callback = on_message};
    *slot = (struct slot){.options = options};
    while ((slot->fd = open_websocket(options->where, path)) < 0) {
        const struct timespec pause = {.tv_nsec = 20000000};
        nanosleep(&pause, NULL);
    }
    if (wslay_event_context_client_init(&slot->frames, &callbacks, slot) != 0)
        fail("wslay");
}

static void send_hello(struct slot *registration)
{
    char text[1024];
    snprintf(text, sizeof text,
             "{\"type\":\"hello\",\"protocol\":3,\"host\":\"%.200s\",\"arch\":\"x86_64\",\"cpu\":\"none\","
             "\"vmm\":\"none\",\"isolation\":\"emulation\","
             "\"slots\":%d,"
             "\"images\":[{\"name\":\"bench:1\",\"digest\":\"" DIGEST
             "\",\"description\":\"\",\"working_dir\":\"/\","
             "\"default_cmd\":[\"true\"],\"env\":[],\"rootfs_bytes\":1}]}",
             registration->options->name, registration->options->slots);
    send_text(registration, text);
}

/* Read and write frames, and answer the job if it is due. -1: the connection is closed. */
static int serve(struct slot *slot, uint64_t now)
{
    if (slot->due_ms && now >= slot->due_ms)
        finish(slot);
    if (wslay_event_recv(slot->frames) != 0 || wslay_event_get_close_received(slot->frames))
        return -1;
    return flush(slot);
}

static int timeout_ms(const struct slot *slots, int count, uint64_t now)
{
    int wait = 1000;
    for (int i = 0; i < count; i++)
        if (slots[i].due_ms)
            wait = slots[i].due_ms <= now                   ? 0
                   : slots[i].due_ms - now < (uint64_t)wait ? (int)(slots[i].due_ms - now)
                                                            : wait;
    return wait;
}

/* Set the events that epoll waits for on the connection of a slot. -1: epoll_ctl failed. */
static int watch(int poller, int operation, struct slot *slot)
{
    bool more = slot->out_size || wslay_event_want_write(slot->frames);
    struct epoll_event event = {.events = EPOLLIN | (more ? EPOLLOUT : 0), .data = {.ptr = slot}};
    if (operation == EPOLL_CTL_MOD && more == slot->watched_for_room)
        return 0;
    slot->watched_for_room = more;
    return epoll_ctl(poller, operation, slot->fd, &event);
}

/* Serve all connections until one is closed. */
static void run(struct slot *slots, int count)
{
    int poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event events[SLOTS_MAX + 1];
    for (int i = 0; i < count; i++)
        if (flush(&slots[i]) < 0 || watch(poller, EPOLL_CTL_ADD, &slots[i]) < 0)
            return;
    for (;;) {
        int got = epoll_wait(poller, events, SLOTS_MAX + 1, timeout_ms(slots, count, now_ms()));
        uint64_t now = now_ms();
        for (int i = 0; i < got; i++)
            if (serve(events[i].data.ptr, now) < 0 || watch(poller, EPOLL_CTL_MOD, events[i].data.ptr) < 0)
                return;
        for (int i = 0; slots->options->work_ms && i < count; i++)
            if (slots[i].due_ms && now >= slots[i].due_ms &&
                (serve(&slots[i], now) < 0 || watch(poller, EPOLL_CTL_MOD, &slots[i]) < 0))
                return;
    }
}

static void run_all(const struct options *options)
{
    static struct slot slots[SLOTS_MAX + 1];
    begin(&slots[0], options, "/v1/control");
    send_hello(&slots[0]);
    for (int i = 1; i <= options->slots; i++) {
        begin(&slots[i], options, "/v1/slot");
        send_ready(&slots[i]);
    }
    run(slots, options->slots + 1);
}

static pid_t start_slot(const struct options *options)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct slot slot;
    begin(&slot, options, "/v1/slot");
    send_ready(&slot);
    run(&slot, 1);
    _exit(0);
}

/* One process per slot. The poll loop of the registration replaces those that end. */
static void run_forked(const struct options *options)
{
    static struct slot registration;
    begin(&registration, options, "/v1/control");
    send_hello(&registration);
    for (int i = 0; i < options->slots; i++)
        start_slot(options);
    while (serve(&registration, now_ms()) == 0) {
        struct pollfd fd = {.fd = registration.fd, .events = POLLIN};
        poll(&fd, 1, 20);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            start_slot(options);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 8) {
        fprintf(stderr, "usage: lb-slots HOST:PORT NAME SLOTS WORK_MS STDOUT_BYTES [--fork LOG]\n");
        return 2;
    }
    const struct options options = {.where = argv[1],
                                    .name = argv[2],
                                    .slots = atoi(argv[3]),
                                    .work_ms = atoi(argv[4]),
                                    .stdout_bytes = strtoul(argv[5], NULL, 10)};
    if (options.slots < 1 || options.slots > SLOTS_MAX || options.stdout_bytes > 65536 ||
        !strchr(argv[1], ':'))
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    if (argc == 8 && (log_fd = open(argv[7], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        fail(argv[7]);
    if (argc == 8)
        run_forked(&options);
    else
        run_all(&options);
    return 0;
}
