/* SPDX-License-Identifier: Apache-2.0 */
/* Sends one HTTP/1.1 request repeatedly over kept-alive connections, and measures the responses.
 *
 *   lb-load HOST:PORT CONNECTIONS SECONDS RATE REQUEST_FILE
 *
 * RATE is the number of requests per second. 0 means that a connection sends its next request as
 * soon as it has a response. With a rate, latency is measured from the time at which the request
 * was due, so that a late sender does not hide a slow server. Prints one line of JSON. */
#include "bench/lb-tools/connection.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, BUFFER = 32768, REQUEST_MAX = 65536, SAMPLES_MAX = 8 * 1024 * 1024 };

struct connection {
    int fd;
    bool busy;
    uint64_t due_us;
    char bytes[BUFFER];
    size_t used;
};

static struct connection *connections;
static char request[REQUEST_MAX];
static size_t request_size;
static uint32_t *samples;
static size_t sample_count, failures;

static void open_connection(struct connection *connection, const char *where)
{
    connection->fd = connect_to(where);
    if (connection->fd < 0)
        fail(where);
    make_nonblocking(connection->fd);
}

static void send_request(struct connection *connection, uint64_t due_us)
{
    connection->busy = true;
    connection->due_us = due_us;
    connection->used = 0;
    if (send(connection->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size)
        fail("send");
}

/* True if the response is complete, by its Content-Length or its chunks. */
static bool is_complete(const struct connection *connection)
{
    const char *bytes = connection->bytes;
    const char *end = memmem(bytes, connection->used, "\r\n\r\n", 4);
    if (!end)
        return false;
    size_t head = (size_t)(end + 4 - bytes);
    const char *length = memmem(bytes, head, "ontent-", 7);
    for (; length; length = memmem(length + 1, head - (size_t)(length + 1 - bytes), "ontent-", 7))
        if (!strncasecmp(length, "ontent-length:", 14))
            return connection->used >= head + strtoul(length + 14, NULL, 10);
    return connection->used >= head + 5 && !memcmp(bytes + connection->used - 5, "0\r\n\r\n", 5);
}

/* Read from a connection. True if a response is complete. */
static bool receive(struct connection *connection)
{
    for (;;) {
        ssize_t n = recv(connection->fd, connection->bytes + connection->used, BUFFER - connection->used, 0);
        if (n < 0 && errno == EAGAIN)
            return false;
        if (n <= 0)
            fail("the server closed a connection");
        connection->used += (size_t)n;
        if (!is_complete(connection))
            continue;
        if (sample_count < SAMPLES_MAX)
            samples[sample_count++] = (uint32_t)(now_us() - connection->due_us);
        failures += memcmp(connection->bytes, "HTTP/1.1 200", 12) != 0;
        connection->busy = false;
        return true;
    }
}

/* ---- the loop ---- */

/* Send the requests that are due on idle connections. With a rate, lateness counts as latency. */
static void send_due(int count, double interval_us, uint64_t start_us, uint64_t now, size_t *sent)
{
    static int next;
    for (int i = 0; i < count; i++) {
        uint64_t due_us = interval_us > 0 ? start_us + (uint64_t)((double)*sent * interval_us) : now;
        if (due_us > now)
            return;
        next = (next + 1) % count;
        if (connections[next].busy)
            continue;
        send_request(&connections[next], due_us);
        ++*sent;
    }
}

static uint64_t run(int count, double seconds, double rate)
{
    int poller = epoll_create1(0);
    struct epoll_event events[256];
    size_t sent = 0;
    uint64_t start_us = now_us(), end_us = start_us + (uint64_t)(seconds * 1e6);
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &connections[i]}};
        epoll_ctl(poller, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    for (uint64_t now = start_us; now < end_us; now = now_us()) {
        if (rate > 0 || !sent)
            send_due(count, rate > 0 ? 1e6 / rate : 0, start_us, now, &sent);
        int got = epoll_wait(poller, events, 256, rate > 0 ? 0 : 100);
        for (int i = 0; i < got; i++) {
            struct connection *connection = events[i].data.ptr;
            if (receive(connection) && rate <= 0)
                send_request(connection, now_us());
        }
        if (rate > 0 && got == 0) {
            const struct timespec pause = {.tv_nsec = 50000};
            nanosleep(&pause, NULL);
        }
    }
    close(poller);
    return now_us() - start_us;
}

static int compare(const void *left, const void *right)
{
    const uint32_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

int main(int argc, char **argv)
{
    int count = argc == 6 ? atoi(argv[2]) : 0;
    if (count < 1 || count > CONNECTIONS_MAX) {
        fprintf(stderr, "usage: lb-load HOST:PORT CONNECTIONS SECONDS RATE REQUEST_FILE\n");
        return 2;
    }
    FILE *file = fopen(argv[5], "rb");
    if (!file || !(request_size = fread(request, 1, sizeof request, file)))
        fail(argv[5]);
    fclose(file);
    connections = calloc((size_t)count, sizeof *connections);
    samples = malloc(SAMPLES_MAX * sizeof *samples);
    if (!connections || !samples)
        fail("memory");
    for (int i = 0; i < count; i++)
        open_connection(&connections[i], argv[1]);
    uint64_t took_us = run(count, strtod(argv[3], NULL), strtod(argv[4], NULL));
    qsort(samples, sample_count, sizeof *samples, compare);
    uint32_t p50_us = sample_count ? samples[sample_count / 2] : 0;
    uint32_t p99_us = sample_count ? samples[sample_count * 99 / 100] : 0;
    printf("{\"answers\": %zu, \"not_200\": %zu, \"per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f}\n",
           sample_count, failures, (double)sample_count * 1e6 / (double)took_us, p50_us / 1e3, p99_us / 1e3);
    free(samples);
    free(connections);
    return 0;
}
