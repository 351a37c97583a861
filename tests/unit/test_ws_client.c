/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's WebSocket client against a balancer that closes the connection at once. */
#include "base/cleanup.h"
#include "base/io.h"
#include "proto/slot.h"
#include "tests/unit/check.h"
#include "worker/balancer_link.h"
#include "worker/stop_signal.h"
#include "worker/ws_client.h"

#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define REASON "the worker speaks version 2, the balancer version 3"

/* ---- the balancer, in a child process ---- */

static void upgrade(int client, char *request)
{
    char text[128], response[256], accept[32];
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const char *key = strstr(request, "Sec-WebSocket-Key: ") + strlen("Sec-WebSocket-Key: ");
    int n =
        snprintf(text, sizeof text, "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", (int)strcspn(key, "\r"), key);
    EVP_Digest(text, (size_t)n, digest, &size, EVP_sha1(), NULL);
    EVP_EncodeBlock((unsigned char *)accept, digest, (int)size);
    n = snprintf(response, sizeof response,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %s\r\n\r\n",
                 accept);
    if (write(client, response, (size_t)n) != n)
        _exit(1);
}

static void send_close(int client, unsigned code, const char *reason)
{
    unsigned char frame[128] = {0x88, (unsigned char)(2 + strlen(reason)), (unsigned char)(code >> 8),
                                (unsigned char)code};
    memcpy(frame + 4, reason, strlen(reason));
    if (write(client, frame, 4 + strlen(reason)) < 0)
        _exit(1);
}

static void balance(int listener, unsigned code, const char *reason)
{
    char request[4096] = "";
    int client = accept(listener, NULL, NULL);
    size_t used = 0;
    ssize_t n = 1;
    while (n > 0 && !strstr(request, "\r\n\r\n")) {
        n = read(client, request + used, sizeof request - 1 - used);
        used += n > 0 ? (size_t)n : 0;
        request[used] = '\0';
    }
    upgrade(client, request);
    send_close(client, code, reason);
    while (read(client, request, sizeof request) > 0)
        ;
    _exit(0);
}

/* The error of a client whose connection is closed with this code and reason, and what that means for the
 * next attempt. */
static void closed_with(unsigned code, const char *reason, struct pe_error *err, enum retry_cause *cause)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char server[sizeof address.sun_path + 8];
    snprintf(address.sun_path, sizeof address.sun_path, "/tmp/pe-test-ws-client-%d", (int)getpid());
    snprintf(server, sizeof server, "unix:%s", address.sun_path);
    unlink(address.sun_path);
    pe_autoclose int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 1), 0);
    pid_t child = fork();
    if (child == 0)
        balance(listener, code, reason);
    enum ws_client_event event;
    struct worker_config config = {.balancers.count = 1, .token_fd = -1};
    snprintf(config.balancers.items[0].url, sizeof config.balancers.items[0].url, "%s", server);
    struct balancer_link link;
    assert_int_equal(balancer_link_start(&config, PE_SLOT_PATH, &link, err), 0);
    pe_autoclose int answer = link.fd;
    int connection = balancer_link_receive(answer, BALANCER_LINK_MS, err);
    struct ws_client *client = connection < 0 ? NULL : ws_client_open(connection, err);
    if (!client)
        fail_msg("%s", err->message);
    assert_int_equal(ws_client_wait(client, -1, 0, false, &event, err), -1);
    *cause = ws_client_cause(client);
    ws_client_close(client);
    balancer_link_end(&link);
    unlink(address.sun_path);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* ---- tests ---- */

static void a_refused_protocol_version_is_named_and_tried_again_slowly(void **state)
{
    (void)state;
    struct pe_error err;
    enum retry_cause cause = RETRY_LOST;
    closed_with(PE_SLOT_CLOSE_VERSION, REASON, &err, &cause);
    assert_error(err, PE_ERR_INVALID, "the balancer refuses this worker: " REASON);
    assert_int_equal(cause, RETRY_VERSION);
}

static void the_reason_of_any_other_close_is_named_and_the_worker_returns_soon(void **state)
{
    (void)state;
    struct pe_error err;
    enum retry_cause cause = RETRY_LOST;
    closed_with(1001, "shutting down", &err, &cause);
    assert_error(err, PE_ERR_LOST, "the balancer closed the connection: shutting down");
    assert_int_equal(cause, RETRY_LOST);
}

static void a_refusal_of_the_worker_is_told_from_a_lost_connection(void **state)
{
    (void)state;
    struct pe_error err;
    enum retry_cause cause = RETRY_LOST;
    closed_with(1008, "the token of this host was revoked", &err, &cause);
    assert_non_null(strstr(err.message, "the token of this host was revoked"));
    assert_int_equal(cause, RETRY_REFUSED);
}

/* What follows a mistake stays in the socket, and must not wake the worker again and again. */
static void a_balancer_that_breaks_the_protocol_is_left_at_once(void **state)
{
    (void)state;
    static const char *const mistakes[] = {
        "\x83\x01x and more", /* a kind of frame that there is not */
        "\xf2\x01x and more", /* extensions that nobody asked for */
        "\x80\x01x and more", /* the end of a message that did not begin */
    };
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct pe_error err;
        enum ws_client_event event;
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        assert_true(write(ends[1], mistakes[i], strlen(mistakes[i])) > 0);
        struct ws_client *client = ws_client_open(ends[0], &err);
        assert_non_null(client);
        assert_int_equal(ws_client_wait(client, -1, 0, false, &event, &err), -1);
        assert_error(err, PE_ERR_LOST,
                     "the connection to the balancer is lost: the balancer broke the WebSocket protocol");
        ws_client_close(client);
        close(ends[1]);
    }
}

/* Each ping is answered. A server that does not read the answers must not fill the memory with them. */
static void a_server_that_pings_and_reads_nothing_has_to_wait(void **state)
{
    (void)state;
    static const struct pe_websocket_terms terms = {
        .peer = "the server", .message_max = 100, .ping_ms = 180000, .queued_max = 1};
    char frames[4096]; /* of pings without content */
    struct pe_error err;
    int ends[2];
    size_t sent = 0;
    for (size_t i = 0; i < sizeof frames; i += 2)
        memcpy(frames + i, "\x89\x00", 2);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    struct pe_websocket *websocket =
        pe_websocket_open(&(struct pe_connection){.socket = ends[0]}, &terms, &err);
    assert_non_null(websocket);
    for (int stuck = 0; stuck < 3;) {
        ssize_t n =
            write(ends[1], frames + sent % 2, sizeof frames - 2); /* the last ping may be half there */
        assert_int_equal(pe_websocket_pump(websocket, &err), 0);
        stuck = n < 0 ? stuck + 1 : 0;
        sent += n > 0 ? (size_t)n : 0;
        assert_true(sent < 64u * 1024 * 1024);
    }
    pe_websocket_free(websocket);
    close(ends[0]);
    close(ends[1]);
}

/* It says something all the time, so it is not silent. */
static void a_balancer_that_reads_nothing_is_left_at_the_deadline(void **state)
{
    (void)state;
    static const char result[64 * 1024];
    struct pe_error err;
    int ends[2], sent = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    struct ws_client *client = ws_client_open(ends[0], &err);
    assert_non_null(client);
    const uint64_t deadline_us = pe_now_us() + 200000;
    while (ws_client_send(client, false, result, sizeof result, deadline_us, &err) == 0) {
        assert_true(write(ends[1], "\x8a\x00", 2) == 2); /* an answer to no ping */
        assert_true(++sent < 10000);
    }
    assert_true(pe_now_us() >= deadline_us);
    assert_error(err, PE_ERR_TIMEOUT, "the balancer does not read what it is sent");
    ws_client_close(client);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_protocol_version_is_named_and_tried_again_slowly),
        cmocka_unit_test(a_refusal_of_the_worker_is_told_from_a_lost_connection),
        cmocka_unit_test(the_reason_of_any_other_close_is_named_and_the_worker_returns_soon),
        cmocka_unit_test(a_balancer_that_breaks_the_protocol_is_left_at_once),
        cmocka_unit_test(a_server_that_pings_and_reads_nothing_has_to_wait),
        cmocka_unit_test(a_balancer_that_reads_nothing_is_left_at_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
