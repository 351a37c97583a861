/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of streams: letters, characters of three bytes and, on stderr, all bytes. */
#include "tests/model/output.h"

#include "tests/model/choices.h"

enum {
    LIMITED_PAYLOAD = 2, /* whose jobs have `stdout_max` and `stderr_max` */
    LIMIT = 4096,
    UNLIMITED = 1 << 20, /* unless the job says something else */
    CHARACTER_SIZE = 3,
};

enum content { LETTERS, CHARACTERS, ALL_BYTES };

size_t output_limit(struct work work, enum live_stream stream)
{
    (void)stream;
    return work.payload == LIMITED_PAYLOAD && !work.plan && !work.api ? LIMIT : UNLIMITED;
}

static size_t choose_size(const struct run *run, enum live_stream stream)
{
    static const size_t sizes[LIVE_STREAMS][5] = {{2 * MARKER_SIZE, 500, 3000, 60000, 200000},
                                                  {0, 40, 1000, 3000, 40000}};
    unsigned choice = choose(16);
    unsigned usual = choice < 10 ? 0 : choice < 12 ? 1 : choice < 14 ? 2 : choice < 15 ? 3 : 4;
    size_t size = sizes[stream][options.is_chatty ? choice % 5 : usual];
    size_t limit = output_limit(run->work, stream);
    return size < limit ? size : limit;
}

/* Its report is all that a job with stages prints; what marks it is on stderr. */
static void choose_report(struct run *run)
{
    run->lies = chance(8);
    run->report = report_make(run->work, run->number, false);
    run->live_report = run->lies ? report_make(run->work, run->number, true) : NULL;
    run->sizes[LIVE_STDOUT] = run->report->bytes.size;
    run->sizes[LIVE_STDERR] = 2 * MARKER_SIZE;
}

void output_choose(struct run *run)
{
    if (run->work.plan) {
        choose_report(run);
        return;
    }
    for (int stream = 0; stream < LIVE_STREAMS; stream++)
        run->sizes[stream] =
            run->copied ? run->copied->sizes[stream] : choose_size(run, (enum live_stream)stream);
    run->lies = chance(5);
}

void output_free(struct run *run)
{
    report_free(run->report);
    report_free(run->live_report);
    run->report = run->live_report = NULL;
}

void output_marker(const struct run *run, char text[MARKER_SIZE + 1], char mark)
{
    const unsigned number = run->copied ? run->copied->number : run->number;
    snprintf(text, MARKER_SIZE + 1, "%c-run-%09u-%c", mark, number, mark);
}

static enum content content_of(const struct run *run, enum live_stream stream)
{
    const unsigned number = run->copied ? run->copied->number : run->number;
    return (enum content)(stream == LIVE_STDOUT ? number % 2 : number % 3);
}

bool output_is_text(const struct run *run, enum live_stream stream)
{
    return !run->lies && content_of(run, stream) != ALL_BYTES;
}

/* The byte at this position of `size` bytes between the markers. */
static uint8_t inner_byte(const struct run *run, enum live_stream stream, size_t at, size_t size)
{
    const unsigned number = run->copied ? run->copied->number : run->number;
    const uint8_t character[CHARACTER_SIZE] = {0xe2, 0x82, (uint8_t)(0x80 + number % 64)};
    enum content content = content_of(run, stream);
    if (content == ALL_BYTES)
        return (uint8_t)(number + 7 * at);
    if (content == CHARACTERS && at < size - size % CHARACTER_SIZE)
        return character[at % CHARACTER_SIZE];
    return (uint8_t)('a' + (number + 5 * at) % 26);
}

static uint8_t byte_at(const struct run *run, enum live_stream stream, size_t at)
{
    char marker[MARKER_SIZE + 1];
    size_t size = run->sizes[stream];
    if (run->report && stream == LIVE_STDOUT)
        return run->report->bytes.data[at];
    if (!run->report && stream != LIVE_STDOUT)
        return inner_byte(run, stream, at, size);
    if (at >= MARKER_SIZE && at < size - MARKER_SIZE)
        return inner_byte(run, stream, at - MARKER_SIZE, size - 2 * MARKER_SIZE);
    output_marker(run, marker, at < MARKER_SIZE ? 'b' : 'e');
    return (uint8_t)marker[at < MARKER_SIZE ? at : at - (size - MARKER_SIZE)];
}

static uint8_t live_byte_at(const struct run *run, enum live_stream stream, size_t at)
{
    const struct report *report = run->live_report;
    bool is_marker = stream == LIVE_STDOUT && at < MARKER_SIZE && !run->report;
    if (report && stream == LIVE_STDOUT && at < report->bytes.size)
        return report->bytes.data[at];
    return run->lies && !is_marker ? '!' : byte_at(run, stream, at);
}

static void append(const struct run *run, enum live_stream stream, size_t from, size_t size,
                   uint8_t (*byte)(const struct run *run, enum live_stream stream, size_t at),
                   struct pe_buf *to)
{
    struct pe_error err;
    if (pe_buf_reserve(to, size, &err) < 0)
        abort();
    for (size_t i = 0; i < size; i++)
        to->data[to->size + i] = byte(run, stream, from + i);
    to->size += size;
}

void output_append(const struct run *run, enum live_stream stream, size_t from, size_t size,
                   struct pe_buf *to)
{
    append(run, stream, from, size, byte_at, to);
}

void output_append_live(const struct run *run, enum live_stream stream, size_t from, size_t size,
                        struct pe_buf *to)
{
    append(run, stream, from, size, live_byte_at, to);
}

bool output_allows(const struct run *run, enum live_stream stream, size_t at, uint8_t byte)
{
    return (at < run->live[stream] && byte == live_byte_at(run, stream, at)) ||
           (at < run->sizes[stream] && byte == byte_at(run, stream, at));
}
