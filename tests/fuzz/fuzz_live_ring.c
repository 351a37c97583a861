/* SPDX-License-Identifier: Apache-2.0 */
/* The live device of a hostile guest, which changes between any two reads. Each read of the slot gets the
 * next bytes of the input, and zeroes behind its end. Whatever they are, records stay in their bounds, and
 * nothing is read outside the device. */
#include "proto/limits.h"
#include "proto/live_ring.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

struct guest {
    const uint8_t *bytes;
    size_t left;
};

static int read_guest(void *context, uint64_t offset, void *bytes, size_t size, struct pe_error *err)
{
    struct guest *guest = context;
    size_t given = size < guest->left ? size : guest->left;
    (void)err;
    HOLDS(offset % PE_LIVE_BLOCK == 0 && size % PE_LIVE_BLOCK == 0 && size <= PE_LIVE_RECORD_MAX);
    HOLDS(offset + size <= PE_LIVE_DEVICE_BYTES);
    memset(bytes, 0, size);
    memcpy(bytes, guest->bytes, given);
    guest->bytes += given;
    guest->left -= given;
    return 0;
}

static int write_nothing(void *context, uint64_t offset, const void *bytes, size_t size, struct pe_error *err)
{
    (void)context, (void)bytes, (void)err;
    HOLDS(offset + size <= PE_LIVE_DEVICE_BYTES);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct guest guest = {bytes, size};
    const struct pe_live_device device = {&guest, read_guest, write_nothing};
    struct pe_live_end slot;
    struct pe_live_record record;
    struct pe_error err;
    HOLDS(pe_live_open(&slot, PE_LIVE_SLOT, &device, &err) == 0);
    while (guest.left && pe_live_refresh(&slot, &err) == 0) {
        int got = 0;
        while ((got = pe_live_take(&slot, &record, &err)) > 0) {
            HOLDS(record.size <= PE_LIVE_DATA_MAX);
            HOLDS(record.kind == PE_LIVE_STDOUT || record.kind == PE_LIVE_STDERR);
        }
        if (got < 0 || pe_live_publish(&slot, &err) < 0)
            break;
    }
    HOLDS(slot.mine.consumed <= slot.theirs.produced);
    pe_live_free(&slot);
    return 0;
}
