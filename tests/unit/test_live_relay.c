/* SPDX-License-Identifier: Apache-2.0 */
/* The relay of a live job between a balancer and a guest. The guest here may lie: it loses its live data, and
 * the job goes on. The balancer may stop reading: output then stays in the guest. */
#include "base/io.h"
#include "proto/limits.h"
#include "tests/unit/check.h"
#include "worker/job/live_port.h"
#include "worker/live_relay.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- the connection to the balancer ---- */

struct ws_client {
    bool is_full; /* it takes nothing more */
    bool is_sending;
    struct pe_buf text, bytes; /* what was sent */
};

int ws_client_queue(struct ws_client *client, bool is_text, const void *bytes, size_t size,
                    struct pe_error *err)
{
    client->is_sending = client->is_full;
    if (!is_text)
        return pe_buf_append(&client->bytes, bytes, size, err);
    return pe_buf_append(&client->text, bytes, size, err) < 0 ? -1
                                                              : pe_buf_append(&client->text, "\n", 1, err);
}

bool ws_client_is_sending(const struct ws_client *client)
{
    return client->is_sending;
}

/* ---- a job ---- */

struct rig {
    struct ws_client balancer;
    struct machine machine;
    int guest_port; /* the guest's end of the serial port */
    struct pe_message job;
    struct live_relay relay;
    struct pe_live_end guest;
};

static int read_device(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    (void)err;
    memcpy(bytes, ((struct memfile *)context)->bytes + offset, size);
    return 0;
}

static int write_device(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    (void)err;
    memcpy(((struct memfile *)context)->bytes + offset, bytes, size);
    return 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct pe_error err;
    int pair[2];
    rig->machine = MACHINE_NONE;
    assert_int_equal(memfile_create("live", PE_LIVE_DEVICE_BYTES, &rig->machine.live, &err), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
    rig->machine.vm.serial_fd = pair[0];
    rig->guest_port = pair[1];
    rig->job = (struct pe_message){.kind = PE_MESSAGE_JOB, .id = "j", .input = {.open = true, .tty = true}};
    rig->job.job.stdout_max = 100000;
    live_relay_begin(&rig->relay, &rig->balancer, &rig->machine, &rig->job);
    const struct pe_live_device device = {&rig->machine.live, read_device, write_device};
    assert_int_equal(pe_live_open(&rig->guest, PE_LIVE_GUEST, &device, &err), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    live_relay_free(&rig->relay);
    pe_live_free(&rig->guest);
    memfile_close(&rig->machine.live);
    close(rig->machine.vm.serial_fd);
    close(rig->guest_port);
    pe_buf_free(&rig->balancer.text);
    pe_buf_free(&rig->balancer.bytes);
    free(rig);
    return 0;
}

static void pump(struct rig *rig)
{
    struct pe_error err;
    if (live_relay_pump(&rig->relay, &err) < 0)
        fail_msg("%s", err.message);
}

static void deliver(struct rig *rig, struct pe_message message)
{
    struct pe_error err;
    if (live_relay_on_message(&rig->relay, &message, &err) < 0)
        fail_msg("%s", err.message);
}

static void type(struct rig *rig, const char *text)
{
    struct pe_error err;
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_INPUT, .bytes = (uint32_t)strlen(text)});
    assert_int_equal(live_relay_on_bytes(&rig->relay, text, strlen(text), &err), 0);
}

static void start_watched(struct rig *rig)
{
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_WATCH});
    live_relay_start(&rig->relay);
    pump(rig);
}

/* The guest shows what it has put, and rings. */
static void ring(struct rig *rig)
{
    struct pe_error err;
    rig->guest.unpublished = true;
    assert_int_equal(pe_live_publish(&rig->guest, &err), 0);
    live_relay_on_doorbell(&rig->relay);
    pump(rig);
}

static void print(struct rig *rig, enum pe_live_kind kind, const char *text, size_t size)
{
    struct pe_error err;
    assert_int_equal(pe_live_refresh(&rig->guest, &err), 0);
    assert_int_equal(pe_live_put(&rig->guest, kind, text, size, &err), 0);
    ring(rig);
}

static int next_record(struct rig *rig, struct pe_live_record *record)
{
    struct pe_error err;
    assert_int_equal(pe_live_refresh(&rig->guest, &err), 0);
    return pe_live_take(&rig->guest, record, &err);
}

static void assert_sent(const struct rig *rig, const char *text_part)
{
    char text[4096];
    snprintf(text, sizeof text, "%.*s", (int)rig->balancer.text.size, (const char *)rig->balancer.text.data);
    if (!strstr(text, text_part))
        fail_msg("'%s' is not in '%s'", text_part, text);
}

static void wait_for_pause(void)
{
    usleep(3000); /* the pause between two doorbells; a longer one does no harm */
}

/* ---- what holds ---- */

static void what_arrives_before_the_start_reaches_the_guest_in_order(void **state)
{
    struct rig *rig = *state;
    struct pe_live_record record;
    char line[6] = "";
    type(rig, "ab");
    type(rig, "c");
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_EOF});
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_RESIZE, .window = {300, 80}});
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_SIGNAL, .signal = SIGINT});
    pump(rig);
    assert_int_equal(next_record(rig, &record), 0);
    start_watched(rig);
    assert_int_equal(read(rig->guest_port, line, 5), 5);
    assert_string_equal(line, "live\n");
    static const struct {
        enum pe_live_kind kind;
        const char *data;
        size_t size;
    } wanted[] = {{PE_LIVE_WATCH, "", 0},
                  {PE_LIVE_RESIZE, "\x2c\x01\x50\x00", 4},
                  {PE_LIVE_SIGNAL, "\x02", 1},
                  {PE_LIVE_INPUT, "abc", 3},
                  {PE_LIVE_EOF, "", 0}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        assert_int_equal(next_record(rig, &record), 1);
        assert_int_equal(record.kind, wanted[i].kind);
        assert_int_equal(record.size, wanted[i].size);
        assert_memory_equal(record.data, wanted[i].data, wanted[i].size);
    }
    assert_int_equal(next_record(rig, &record), 0);
}

static void output_and_taken_are_sent_to_the_balancer(void **state)
{
    struct rig *rig = *state;
    type(rig, "xyz");
    start_watched(rig);
    print(rig, PE_LIVE_STDOUT, "out", 3);
    rig->guest.mine.taken = 2;
    print(rig, PE_LIVE_STDERR, "err!", 4);
    assert_sent(rig, "{\"type\":\"output\",\"id\":\"j\",\"parts\":[{\"kind\":\"stdout\",\"size\":3}]}");
    assert_sent(rig, "{\"type\":\"output\",\"id\":\"j\",\"parts\":[{\"kind\":\"stderr\",\"size\":4}]}");
    assert_sent(rig, "{\"type\":\"taken\",\"id\":\"j\",\"bytes\":2}");
    assert_int_equal(rig->balancer.bytes.size, 7);
    assert_memory_equal(rig->balancer.bytes.data, "outerr!", 7);
}

static void output_stays_in_the_guest_while_the_balancer_does_not_read(void **state)
{
    struct rig *rig = *state;
    static const char text[40000];
    start_watched(rig);
    rig->balancer.is_full = true;
    print(rig, PE_LIVE_STDOUT, "first", 5);
    assert_int_equal(rig->balancer.bytes.size, 5);
    print(rig, PE_LIVE_STDOUT, text, sizeof text);
    print(rig, PE_LIVE_STDOUT, text, sizeof text);
    assert_int_equal(rig->balancer.bytes.size, 5);
    rig->balancer.is_full = rig->balancer.is_sending = false;
    pump(rig);
    assert_int_equal(rig->balancer.bytes.size, 5 + 2 * sizeof text);
}

static void the_guest_is_not_listened_to_for_a_while_after_its_doorbell(void **state)
{
    struct rig *rig = *state;
    start_watched(rig);
    assert_true(live_relay_listens(&rig->relay));
    uint64_t before = pe_now_us();
    ring(rig);
    assert_true(rig->relay.listen_us > before);
    rig->relay.listen_us = UINT64_MAX;
    assert_false(live_relay_listens(&rig->relay));
    assert_true(live_relay_deadline(&rig->relay) != 0);
    rig->relay.listen_us = pe_now_us();
    assert_true(live_relay_listens(&rig->relay));
}

static void the_guest_is_not_rung_more_often_than_every_two_milliseconds(void **state)
{
    struct rig *rig = *state;
    char lines[64];
    start_watched(rig);
    uint64_t rang = rig->relay.rang_us;
    type(rig, "x");
    pump(rig);
    if (pe_now_us() < rang + 1000) /* unless this machine is very slow */
        assert_true(rig->relay.ring_us >= rang + 2000);
    wait_for_pause();
    pump(rig);
    assert_int_equal(rig->relay.ring_us, 0);
    assert_int_equal(read(rig->guest_port, lines, sizeof lines), 10);
}

/* Afterwards nothing of the guest is sent, and nothing fails. */
static void assert_given_up(struct rig *rig)
{
    size_t before = rig->balancer.text.size;
    assert_true(rig->relay.broken);
    type(rig, "more");
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_SIGNAL, .signal = SIGTERM});
    live_relay_on_doorbell(&rig->relay);
    pump(rig);
    assert_int_equal(rig->balancer.text.size, before);
    assert_int_equal(rig->relay.waiting_size, 0);
}

static void a_guest_whose_counters_lie_loses_its_live_data(void **state)
{
    struct rig *rig = *state;
    start_watched(rig);
    rig->guest.mine.produced = 1ull << 40;
    ring(rig);
    assert_given_up(rig);
}

static void a_guest_whose_records_lie_loses_its_live_data(void **state)
{
    struct rig *rig = *state;
    start_watched(rig);
    rig->guest.mine.produced = 512; /* the record is all zero */
    ring(rig);
    assert_given_up(rig);
}

static void a_guest_that_sends_more_than_the_job_keeps_loses_its_live_data(void **state)
{
    struct rig *rig = *state;
    static const char text[50001];
    start_watched(rig);
    print(rig, PE_LIVE_STDOUT, text, sizeof text);
    assert_false(rig->relay.broken);
    print(rig, PE_LIVE_STDOUT, text, sizeof text);
    assert_given_up(rig);
    assert_int_equal(rig->balancer.bytes.size, sizeof text);
}

static void a_guest_that_takes_more_than_it_was_given_loses_its_live_data(void **state)
{
    struct rig *rig = *state;
    type(rig, "abc");
    start_watched(rig);
    rig->guest.mine.taken = 4;
    ring(rig);
    assert_given_up(rig);
}

static void a_guest_that_sends_output_that_nobody_watches_loses_its_live_data(void **state)
{
    struct rig *rig = *state;
    type(rig, "abc");
    live_relay_start(&rig->relay);
    pump(rig);
    print(rig, PE_LIVE_STDOUT, "x", 1);
    assert_given_up(rig);
}

static void a_guest_that_rings_before_anything_is_live_is_ignored(void **state)
{
    struct rig *rig = *state;
    rig->job.input.open = false;
    live_relay_start(&rig->relay);
    rig->guest.mine.produced = 1ull << 40;
    ring(rig);
    assert_false(rig->relay.broken);
    assert_int_equal(rig->balancer.text.size, 0);
}

static void a_vm_that_was_lost_early_is_replaced_unless_it_got_input(void **state)
{
    struct rig *rig = *state;
    start_watched(rig);
    assert_true(live_relay_restart(&rig->relay));
    memset(rig->machine.live.bytes, 0, PE_LIVE_DEVICE_BYTES);
    live_relay_start(&rig->relay);
    type(rig, "x");
    pump(rig);
    assert_false(live_relay_restart(&rig->relay));
}

static void breaks_the_protocol(struct rig *rig, struct pe_message message, const char *text_part)
{
    struct pe_error err;
    assert_int_equal(live_relay_on_message(&rig->relay, &message, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, text_part);
}

static void a_balancer_breaks_the_protocol_with_too_much_or_at_the_wrong_time(void **state)
{
    struct rig *rig = *state;
    struct pe_error err;
    const struct pe_message input = {.kind = PE_MESSAGE_INPUT, .bytes = 1},
                            watch = {.kind = PE_MESSAGE_WATCH}, eof = {.kind = PE_MESSAGE_EOF};
    assert_int_equal(live_relay_on_bytes(&rig->relay, "x", 1, &err), -1);
    assert_error(err, PE_ERR_MALFORMED, "did not announce");
    deliver(rig, watch);
    breaks_the_protocol(rig, watch, "`watch` twice");
    deliver(rig, (struct pe_message){.kind = PE_MESSAGE_INPUT, .bytes = 2});
    breaks_the_protocol(rig, eof, "where the bytes");
    assert_int_equal(live_relay_on_bytes(&rig->relay, "x", 1, &err), -1);
    assert_int_equal(live_relay_on_bytes(&rig->relay, "xy", 2, &err), 0);
    breaks_the_protocol(rig, (struct pe_message){.kind = PE_MESSAGE_INPUT, .bytes = PE_LIVE_WINDOW - 1},
                        "more input than the window");
    breaks_the_protocol(rig, (struct pe_message){.kind = PE_MESSAGE_TAKEN, .bytes = 1}, "does not belong");
    deliver(rig, eof);
    breaks_the_protocol(rig, eof, "`eof` twice");
    breaks_the_protocol(rig, input, "behind `eof`");
    rig->job.input.tty = false;
    breaks_the_protocol(rig, (struct pe_message){.kind = PE_MESSAGE_RESIZE, .window = {1, 1}}, "cannot have");
    rig->job.input.open = false;
    breaks_the_protocol(rig, (struct pe_message){.kind = PE_MESSAGE_SIGNAL, .signal = SIGINT}, "cannot have");
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(what_arrives_before_the_start_reaches_the_guest_in_order),
        RIG_TEST(output_and_taken_are_sent_to_the_balancer),
        RIG_TEST(output_stays_in_the_guest_while_the_balancer_does_not_read),
        RIG_TEST(the_guest_is_not_listened_to_for_a_while_after_its_doorbell),
        RIG_TEST(the_guest_is_not_rung_more_often_than_every_two_milliseconds),
        RIG_TEST(a_guest_whose_counters_lie_loses_its_live_data),
        RIG_TEST(a_guest_whose_records_lie_loses_its_live_data),
        RIG_TEST(a_guest_that_sends_more_than_the_job_keeps_loses_its_live_data),
        RIG_TEST(a_guest_that_takes_more_than_it_was_given_loses_its_live_data),
        RIG_TEST(a_guest_that_sends_output_that_nobody_watches_loses_its_live_data),
        RIG_TEST(a_guest_that_rings_before_anything_is_live_is_ignored),
        RIG_TEST(a_balancer_breaks_the_protocol_with_too_much_or_at_the_wrong_time),
        RIG_TEST(a_vm_that_was_lost_early_is_replaced_unless_it_got_input),
    };
    return cmocka_run_group_tests_name("live_relay", tests, NULL, NULL);
}
