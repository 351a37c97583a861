/* SPDX-License-Identifier: Apache-2.0 */
/* Reports with cases, which a guest writes. The first byte says in which pieces they arrive. What is read
 * does not depend on the pieces, and has no more output than the report has bytes. */
#include "base/cleanup.h"
#include "proto/stage_report.h"
#include "tests/fuzz/fuzz.h"

/* What was read from one report. */
struct sum {
    size_t stages, cases, checks, bytes;
    unsigned hash;
    bool failed;
};

static void add_run(struct sum *sum, struct pe_stage_report *run)
{
    HOLDS(run->kind == PE_RUN_STAGE || !run->name[0]);
    HOLDS(run->number < PE_CASES_MAX);
    HOLDS(run->both.size == run->out.size + run->error.size);
    sum->stages += run->kind == PE_RUN_STAGE;
    sum->cases += run->kind == PE_RUN_CASE;
    sum->checks += run->kind == PE_RUN_CHECK;
    sum->bytes += run->both.size;
    sum->hash =
        sum->hash * 31 + (unsigned)run->out.size * 7 + run->number + (run->ended ? (unsigned)run->end : 99);
    pe_stage_report_free(run);
}

static void read_in_pieces(const uint8_t *bytes, size_t size, size_t piece, struct sum *sum)
{
    pe_autoreportreader struct pe_report_reader reader = {0};
    struct pe_stage_report run;
    struct pe_error err;
    for (size_t at = 0; at < size && !sum->failed; at += piece) {
        struct pe_cursor part = {.at = bytes + at, .left = size - at < piece ? size - at : piece};
        int got = 0;
        while ((got = pe_report_read(&reader, &part, &run, &err)) > 0)
            add_run(sum, &run);
        sum->failed = got < 0;
        HOLDS(got < 0 || part.left == 0);
    }
    if (!sum->failed && pe_report_end(&reader, &run, &err) > 0)
        add_run(sum, &run);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct sum whole = {0}, pieces = {0};
    const size_t piece = fuzz_byte(&rest) + 1u;
    read_in_pieces(rest.at, rest.left, rest.left + 1, &whole);
    read_in_pieces(rest.at, rest.left, piece, &pieces);
    HOLDS(whole.stages <= PE_STAGES_MAX && whole.cases <= PE_CASES_MAX);
    HOLDS(whole.checks <= whole.stages + whole.cases && whole.bytes <= size);
    HOLDS(whole.failed == pieces.failed && whole.bytes == pieces.bytes && whole.hash == pieces.hash);
    return 0;
}
