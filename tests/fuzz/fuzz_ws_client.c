/* SPDX-License-Identifier: Apache-2.0 */
/* What a balancer sends to a worker over a WebSocket. If the input begins with "!", the handshake has
 * succeeded and frames follow; otherwise it is the response to the handshake. */
#include "base/io.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"
#include "worker/ws_client.h"

/* The key of the handshake is 16 zeros in base64, so the answer to it is known. */
static const char accepted[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

/* In the place of base/io.c's function (Makefile). */
void __wrap_pe_random(void *bytes, size_t size);
void __wrap_pe_random(void *bytes, size_t size)
{
    memset(bytes, 0, size);
}

static void receive(struct ws_client *client)
{
    enum ws_client_event event = WS_CLIENT_DEADLINE;
    struct pe_error err = {0};
    size_t total = 0;
    int failed = 0;
    for (int rounds = 0; !failed; rounds++) {
        HOLDS(rounds < 1000); /* the input ends, and so does the connection */
        failed = ws_client_wait(client, -1, pe_now_us(), false, &event, &err);
        for (struct ws_message *message = ws_client_next(client); message; message = ws_client_next(client)) {
            HOLDS(message->size <= PE_SLOT_TEXT_MAX);
            total += message->size;
            free(fuzz_text(message->bytes, message->size)); /* ASan sees it if a byte is not there */
            free(message);
        }
    }
    HOLDS(err.kind && total <= 65536);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_buf input = {0};
    struct pe_error err = {0};
    int other = -1;
    bool upgraded = size && bytes[0] == '!';
    HOLDS(!upgraded || pe_buf_append_text(&input, accepted, &err) == 0);
    HOLDS(pe_buf_append(&input, bytes + upgraded, size - upgraded, &err) == 0);
    int fd = fuzz_socket(input.data, input.size, &other);
    pe_buf_free(&input);
    struct ws_client *client = ws_client_open("unix:/", fd, "/v1/slot", NULL, &err);
    HOLDS(client || (err.kind && !upgraded));
    if (client)
        receive(client);
    ws_client_close(client);
    close(other);
    return 0;
}
