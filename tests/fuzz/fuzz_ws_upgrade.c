/* SPDX-License-Identifier: Apache-2.0 */
/* A balancer's response to the request for a WebSocket. In the input, "@" stands for the answer to the key of
 * the request. An upgrade succeeds only with that answer, and leaves the bytes behind the response alone. */
#include "base/cleanup.h"
#include "tests/fuzz/fuzz.h"
#include "worker/balancer_upgrade.h"

#include <stdbool.h>

#define ANSWER "ICX+Yqv66kxgM0FcWaLWlFLwTAI=" /* to a key of 16 zeros in base64 */

/* In the place of base/io.c's function (Makefile). */
void __wrap_pe_random(void *bytes, size_t size);
void __wrap_pe_random(void *bytes, size_t size)
{
    memset(bytes, 0, size);
}

/* The response ends with its first empty line, and the rest can still be read. */
static void check_rest(int fd, const struct pe_buf *input)
{
    HOLDS(input->data);
    const uint8_t *end = memmem(input->data, input->size, "\r\n\r\n", 4);
    HOLDS(end && !memcmp(input->data, "HTTP/1.1 101", 12));
    HOLDS(memmem(input->data, (size_t)(end - input->data), ANSWER, strlen(ANSWER)));
    size_t left = input->size - (size_t)(end + 4 - input->data);
    pe_autofree uint8_t *rest = malloc(left + 1);
    HOLDS(rest && read(fd, rest, left + 1) == (ssize_t)left);
    HOLDS(!left || !memcmp(rest, end + 4, left));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    pe_autobuf struct pe_buf input = {0};
    struct pe_error err = {0};
    int other = -1;
    int64_t date = 0;
    for (size_t i = 0; i < size; i++) {
        bool marked = bytes[i] == '@';
        HOLDS(pe_buf_append(&input, marked ? (const void *)ANSWER : bytes + i, marked ? strlen(ANSWER) : 1,
                            &err) == 0);
    }
    pe_autoclose int fd = fuzz_socket(input.data, input.size, &other);
    const struct pe_connection connection = {.socket = fd};
    if (balancer_upgrade(&connection, "/v1/slot", "token", &date, &err) == 0)
        check_rest(fd, &input);
    else
        HOLDS(err.kind && err.message[0]);
    close(other);
    return 0;
}
