/* SPDX-License-Identifier: Apache-2.0 */
/* The live device: records go from one end to the other, and a header that lies is refused. */
#include "proto/limits.h"
#include "proto/live_ring.h"
#include "tests/unit/check.h"

#include <stdlib.h>

struct rig {
    uint8_t *bytes; /* the device */
    struct pe_live_end slot, guest;
};

static int read_device(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    (void)err;
    assert_true(offset % PE_LIVE_BLOCK == 0 && size % PE_LIVE_BLOCK == 0 &&
                offset + size <= PE_LIVE_DEVICE_BYTES);
    memcpy(bytes, (uint8_t *)context + offset, size);
    return 0;
}

static int write_device(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    (void)err;
    assert_true(offset % PE_LIVE_BLOCK == 0 && size % PE_LIVE_BLOCK == 0 &&
                offset + size <= PE_LIVE_DEVICE_BYTES);
    memcpy((uint8_t *)context + offset, bytes, size);
    return 0;
}

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof *rig);
    struct pe_error err;
    rig->bytes = calloc(1, PE_LIVE_DEVICE_BYTES);
    const struct pe_live_device device = {rig->bytes, read_device, write_device};
    assert_int_equal(pe_live_open(&rig->slot, PE_LIVE_SLOT, &device, &err), 0);
    assert_int_equal(pe_live_open(&rig->guest, PE_LIVE_GUEST, &device, &err), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    pe_live_free(&rig->slot);
    pe_live_free(&rig->guest);
    free(rig->bytes);
    free(rig);
    return 0;
}

static void put(struct pe_live_end *end, enum pe_live_kind kind, const void *data, size_t size)
{
    struct pe_error err;
    assert_int_equal(pe_live_put(end, kind, data, size, &err), 0);
    assert_int_equal(pe_live_publish(end, &err), 0);
}

static void refresh(struct pe_live_end *end)
{
    struct pe_error err;
    assert_int_equal(pe_live_refresh(end, &err), 0);
}

static int take(struct pe_live_end *end, struct pe_live_record *record)
{
    struct pe_error err;
    int got = pe_live_take(end, record, &err);
    assert_true(got >= 0);
    assert_int_equal(pe_live_publish(end, &err), 0);
    return got;
}

static void a_record_arrives_when_it_was_published(void **state)
{
    struct rig *rig = *state;
    struct pe_live_record record;
    struct pe_error err;
    assert_int_equal(pe_live_put(&rig->slot, PE_LIVE_INPUT, "abc", 3, &err), 0);
    refresh(&rig->guest);
    assert_int_equal(take(&rig->guest, &record), 0);
    assert_int_equal(pe_live_publish(&rig->slot, &err), 0);
    refresh(&rig->guest);
    assert_int_equal(take(&rig->guest, &record), 1);
    assert_int_equal(record.kind, PE_LIVE_INPUT);
    assert_int_equal(record.size, 3);
    assert_memory_equal(record.data, "abc", 3);
    assert_int_equal(take(&rig->guest, &record), 0);
}

/* Twelve times as much as the ring holds, in records of all sizes. */
static void records_keep_their_order_and_bytes_around_the_end_of_the_ring(void **state)
{
    struct rig *rig = *state;
    static uint8_t data[PE_LIVE_DATA_MAX];
    struct pe_live_record record;
    unsigned sent = 0, received = 0;
    srand(7);
    for (unsigned total = 0; total < 24u << 20;) {
        size_t size = sent % 5 == 0 ? PE_LIVE_DATA_MAX : (size_t)rand() % PE_LIVE_DATA_MAX;
        refresh(&rig->guest);
        if (size <= pe_live_room(&rig->guest)) {
            memset(data, (int)sent, size);
            put(&rig->guest, sent % 2 ? PE_LIVE_STDERR : PE_LIVE_STDOUT, data, size);
            sent++;
            total += (unsigned)size;
            continue;
        }
        refresh(&rig->slot);
        while (take(&rig->slot, &record)) {
            assert_int_equal(record.kind, received % 2 ? PE_LIVE_STDERR : PE_LIVE_STDOUT);
            for (size_t i = 0; i < record.size; i++)
                if (record.data[i] != (uint8_t)received)
                    fail_msg("byte %zu of record %u is wrong", i, received);
            received++;
        }
        assert_int_equal(received, sent);
    }
    assert_true(sent > 500);
}

static void a_full_ring_takes_nothing_until_the_other_end_has_read(void **state)
{
    struct rig *rig = *state;
    static const uint8_t data[PE_LIVE_DATA_MAX];
    struct pe_live_record record;
    struct pe_error err;
    unsigned records = 0;
    for (; pe_live_room(&rig->guest); records++)
        put(&rig->guest, PE_LIVE_STDOUT, data, pe_live_room(&rig->guest));
    assert_int_equal(records, 32);
    assert_int_equal(pe_live_put(&rig->guest, PE_LIVE_STDOUT, data, 1, &err), -1);
    assert_error(err, PE_ERR_TOO_LARGE, "no room");
    refresh(&rig->slot);
    assert_int_equal(take(&rig->slot, &record), 1);
    refresh(&rig->guest);
    assert_int_equal(pe_live_room(&rig->guest), PE_LIVE_DATA_MAX);
}

static void write_header(struct rig *rig, uint64_t produced, uint64_t consumed, uint64_t taken)
{
    struct pe_error err;
    rig->guest.mine = (struct pe_live_counters){produced, consumed, taken};
    rig->guest.unpublished = true;
    assert_int_equal(pe_live_publish(&rig->guest, &err), 0);
}

static void counters_that_are_not_possible_are_refused(void **state)
{
    struct rig *rig = *state;
    static const struct pe_live_counters lies[] = {
        {.produced = 1},                                 /* no whole block */
        {.produced = (2u << 20) + 512},                  /* more than the ring holds */
        {.produced = UINT64_MAX - 511},                  /* likewise */
        {.produced = 0, .taken = 4},                     /* back, from 1024 */
        {.produced = 1024, .taken = 3},                  /* back, from 4 */
        {.produced = 1024, .consumed = 512, .taken = 4}, /* nothing was sent */
    };
    struct pe_error err;
    write_header(rig, 1024, 0, 4);
    refresh(&rig->slot);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        write_header(rig, lies[i].produced, lies[i].consumed, lies[i].taken);
        assert_int_equal(pe_live_refresh(&rig->slot, &err), -1);
        assert_error(err, PE_ERR_MALFORMED, "not possible");
    }
    assert_int_equal(rig->slot.theirs.produced, 1024);
}

static void a_header_that_is_being_written_is_no_news(void **state)
{
    struct rig *rig = *state;
    struct pe_live_record record;
    put(&rig->guest, PE_LIVE_STDOUT, "x", 1);
    rig->bytes[4096]++; /* the first byte of the guest's header */
    refresh(&rig->slot);
    assert_int_equal(take(&rig->slot, &record), 0);
    rig->bytes[4096]--;
    refresh(&rig->slot);
    assert_int_equal(take(&rig->slot, &record), 1);
}

static void records_that_are_not_valid_are_refused(void **state)
{
    struct rig *rig = *state;
    enum { RING = 1 << 20 }; /* where the ring to the slot begins */
    static const struct {
        uint8_t kind, size[4];
    } lies[] = {
        {PE_LIVE_INPUT, {1}},              /* only the slot sends it */
        {0, {1}},                          /* no kind */
        {255, {1}},                        /* likewise */
        {PE_LIVE_STDOUT, {0xf1, 1}},       /* a byte more than was produced */
        {PE_LIVE_STDOUT, {0xf1, 0xff}},    /* a byte more than a record can have */
        {PE_LIVE_STDOUT, {0, 0, 0, 0xff}}, /* 4 GiB */
    };
    struct pe_live_record record;
    struct pe_error err;
    write_header(rig, 512, 0, 0);
    refresh(&rig->slot);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        rig->bytes[RING] = lies[i].kind;
        memcpy(rig->bytes + RING + 8, lies[i].size, sizeof lies[i].size);
        assert_int_equal(pe_live_take(&rig->slot, &record, &err), -1);
        assert_error(err, PE_ERR_MALFORMED, "not valid");
    }
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_record_arrives_when_it_was_published),
        RIG_TEST(records_keep_their_order_and_bytes_around_the_end_of_the_ring),
        RIG_TEST(a_full_ring_takes_nothing_until_the_other_end_has_read),
        RIG_TEST(counters_that_are_not_possible_are_refused),
        RIG_TEST(a_header_that_is_being_written_is_no_news),
        RIG_TEST(records_that_are_not_valid_are_refused),
    };
    return cmocka_run_group_tests_name("live_ring", tests, NULL, NULL);
}
