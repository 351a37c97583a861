/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of a guest, among them those of one that was taken over. */
#include "tests/unit/check.h"
#include "worker/job/guest_line.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

/* A nonblocking port from which `bytes` can be read. */
static void open_port(int port[2], const void *bytes, size_t size)
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, port), 0);
    assert_int_equal(fcntl(port[0], F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(write(port[1], bytes, size), (ssize_t)size);
}

static void close_port(const int port[2])
{
    close(port[0]);
    close(port[1]);
}

static void a_line_is_read_in_the_pieces_in_which_it_arrives(void **state)
{
    (void)state;
    int port[2];
    struct guest_line line = {.size = 0};
    char text[GUEST_LINE_MAX + 1] = "";
    struct pe_error err;
    open_port(port, "rea", 3);
    assert_int_equal(guest_line_read(port[0], &line, text, &err), 0);
    assert_int_equal(write(port[1], "dy\r\nfail a\tb\n", 13), 13);
    assert_int_equal(guest_line_read(port[0], &line, text, &err), 1);
    assert_string_equal(text, "ready");
    assert_int_equal(guest_line_read(port[0], &line, text, &err), 1);
    assert_string_equal(text, "fail a?b");
    assert_int_equal(guest_line_read(port[0], &line, text, &err), 0);
    close(port[1]);
    assert_int_equal(guest_line_read(port[0], &line, text, &err), -1);
    assert_error(err, PE_ERR_LOST, "serial port was closed");
    close(port[0]);
}

/* A VMM can send faster than we read, so a line without end must end by its length. */
static void a_line_without_end_is_an_error_whatever_its_bytes_are(void **state)
{
    (void)state;
    static const char fillers[] = {'x', '\r', '\0', '\033'};
    for (size_t i = 0; i < sizeof fillers; i++) {
        int port[2];
        char bytes[GUEST_LINE_MAX + 1], text[GUEST_LINE_MAX + 1];
        struct guest_line line = {.size = 0};
        struct pe_error err;
        memset(bytes, fillers[i], sizeof bytes);
        open_port(port, bytes, sizeof bytes);
        assert_int_equal(guest_line_read(port[0], &line, text, &err), -1);
        assert_error(err, PE_ERR_INTERNAL, "more than 256 bytes");
        close_port(port);
    }
}

static void a_line_of_the_greatest_length_is_read(void **state)
{
    (void)state;
    int port[2];
    char bytes[GUEST_LINE_MAX + 1], text[GUEST_LINE_MAX + 1];
    struct guest_line line = {.size = 0};
    struct pe_error err;
    memset(bytes, 'x', GUEST_LINE_MAX);
    bytes[GUEST_LINE_MAX] = '\n';
    open_port(port, bytes, sizeof bytes);
    assert_int_equal(guest_line_read(port[0], &line, text, &err), 1);
    assert_int_equal(strlen(text), GUEST_LINE_MAX);
    close_port(port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read_in_the_pieces_in_which_it_arrives),
        cmocka_unit_test(a_line_without_end_is_an_error_whatever_its_bytes_are),
        cmocka_unit_test(a_line_of_the_greatest_length_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
