/* SPDX-License-Identifier: Apache-2.0 */
/* What a balancer sends to a worker over a WebSocket. Messages keep their limit, and the client ends when the
 * connection does. */
#include "base/io.h"
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"
#include "worker/ws_client.h"

static void receive(struct ws_client *client)
{
    enum ws_client_event event = WS_CLIENT_DEADLINE;
    struct pe_error err = {0};
    size_t total = 0;
    int failed = 0;
    for (int rounds = 0; !failed; rounds++) {
        HOLDS(rounds < 1000); /* the input ends, and so does the connection */
        failed = ws_client_wait(client, -1, pe_now_us(), false, &event, &err);
        for (struct pe_websocket_message *message = ws_client_next(client); message;
             message = ws_client_next(client)) {
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
    struct pe_error err = {0};
    int other = -1;
    struct ws_client *client = ws_client_open(fuzz_socket(bytes, size, &other), &err);
    HOLDS(client);
    receive(client);
    ws_client_close(client);
    close(other);
    return 0;
}
