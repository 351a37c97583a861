/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the report of stages frame by frame. The guest's side, which writes it, is guest-init/stages.c. */
#include "proto/stage_report.h"

#include "base/cleanup.h"
#include "codec/flat.h"
#include "proto/combined.h"

#include <limits.h>
#include <string.h>

/* A name, a number, or the end of a run: all have far fewer bytes. */
enum { TEXT_FRAME_MAX = 4096 };

static int malformed(struct pe_error *err, const char *what)
{
    return pe_fail(err, PE_ERR_MALFORMED, "a report of stages %s", what);
}

/* ---- the beginning of a run ---- */

static int begin_stage(struct pe_report_reader *reader, struct pe_cursor name, struct pe_error *err)
{
    if (reader->stages == PE_STAGES_MAX || name.left == 0 || name.left > PE_STAGE_NAME_MAX ||
        memchr(name.at, '\0', name.left))
        return malformed(err, "begins an invalid stage");
    reader->stages++;
    memcpy(reader->run.name, name.at, name.left);
    return 0;
}

/* The number of a case has at most three digits, and is greater than that of the case before. */
static int begin_case(struct pe_report_reader *reader, struct pe_cursor text, struct pe_error *err)
{
    unsigned number = 0;
    bool valid = text.left >= 1 && text.left <= 3;
    for (size_t i = 0; valid && i < text.left; i++) {
        valid = text.at[i] >= '0' && text.at[i] <= '9';
        number = number * 10 + text.at[i] - '0';
    }
    if (!valid || number < reader->next || number >= PE_CASES_MAX)
        return malformed(err, "begins an invalid case");
    reader->next = number + 1;
    reader->run.kind = PE_RUN_CASE;
    reader->run.number = number;
    return 0;
}

static int begin_check(struct pe_report_reader *reader, struct pe_cursor text, struct pe_error *err)
{
    if (text.left || !reader->may_check)
        return malformed(err, "begins an invalid checker");
    reader->run.kind = PE_RUN_CHECK;
    reader->run.number = reader->next ? reader->next - 1 : 0;
    return 0;
}

static int begin_run(struct pe_report_reader *reader, struct pe_cursor text, struct pe_error *err)
{
    if (reader->in_run)
        return malformed(err, "begins a run before the one before has ended");
    reader->run = (struct pe_stage_report){.kind = PE_RUN_STAGE};
    int failed = reader->head[0] == PE_STAGE_BEGIN  ? begin_stage(reader, text, err)
                 : reader->head[0] == PE_CASE_BEGIN ? begin_case(reader, text, err)
                                                    : begin_check(reader, text, err);
    reader->in_run = !failed;
    return failed;
}

/* ---- its end ---- */

static int parse_end(struct pe_stage_report *run, const char *value, struct pe_error *err)
{
    static const char *const names[PE_STAGE_ENDS] = PE_STAGE_END_NAMES;
    for (int i = 0; i < PE_STAGE_ENDS; i++)
        if (!strcmp(value, names[i])) {
            run->end = (enum pe_stage_end)i;
            run->ended = true;
            return 0;
        }
    return malformed(err, "has an unknown end of a stage");
}

static int parse_hash(struct pe_stage_report *run, const char *value, struct pe_error *err)
{
    if (!pe_sha256_hex_valid(value))
        return malformed(err, "has an invalid hash");
    memcpy(run->sha256, value, sizeof run->sha256);
    return 0;
}

static int parse_text(struct pe_stage_report *run, const struct pe_flat_entry *entry, struct pe_error *err)
{
    if (!strcmp(entry->key, "end"))
        return parse_end(run, entry->value, err);
    return !strcmp(entry->key, "sha256") ? parse_hash(run, entry->value, err) : 0;
}

static int end_run(struct pe_stage_report *run, struct pe_cursor text, struct pe_error *err)
{
    uint64_t code = 0, signal = 0;
    struct pe_flat_number numbers[] = {
        {"code", 255, &code, false},
        {"signal", 127, &signal, false},
        {"wall_us", INT64_MAX, &run->wall_us, false},
        {"user_us", INT64_MAX, &run->user_us, false},
        {"system_us", INT64_MAX, &run->system_us, false},
        {"max_rss_kib", INT64_MAX / 1024, &run->max_rss_kib, false},
        {"oom_kills", UINT32_MAX, &run->oom_kills, false},
        {"held_kib", INT64_MAX / 1024, &run->held_kib, false},
        {"stdout_cut", INT64_MAX, &run->out_cut, false},
        {"stderr_cut", INT64_MAX, &run->error_cut, false},
    };
    struct pe_flat_entry entry;
    int got = 0;
    while ((got = pe_flat_next(&text, &entry, err)) > 0)
        if (pe_flat_parse_number(&entry, numbers, sizeof numbers / sizeof *numbers, err) < 0 ||
            parse_text(run, &entry, err) < 0)
            return -1;
    if (got < 0)
        return -1;
    run->code = (int)code;
    run->signal = (int)signal;
    return run->ended ? 0 : malformed(err, "does not say how a stage ended");
}

/* ---- output ---- */

static int add_output(struct pe_stage_report *run, bool is_error, const uint8_t *bytes, size_t size,
                      struct pe_error *err)
{
    struct pe_buf *stream = is_error ? &run->error : &run->out;
    size_t *held = is_error ? &run->error_held : &run->out_held;
    if (pe_buf_append(stream, bytes, size, err) < 0)
        return -1;
    return pe_combined_append(&run->both, stream, size, held, err);
}

/* The end of a stream. What the program wrote is kept as it is, unless it was killed or the report was full.
 */
static int end_output(struct pe_stage_report *run, bool is_error, struct pe_error *err)
{
    struct pe_buf *stream = is_error ? &run->error : &run->out;
    size_t *held = is_error ? &run->error_held : &run->out_held;
    bool is_whole = run->ended && (run->end == PE_STAGE_EXITED || run->end == PE_STAGE_SIGNALED) &&
                    !(is_error ? run->error_cut : run->out_cut);
    if (is_whole)
        return pe_combined_finish(&run->both, stream, held, err);
    stream->size -= *held;
    *held = 0;
    return 0;
}

/* Move the run that has begun to the caller. */
static int hand_out(struct pe_report_reader *reader, struct pe_stage_report *run, struct pe_error *err)
{
    if (end_output(&reader->run, false, err) < 0 || end_output(&reader->run, true, err) < 0)
        return -1;
    *run = reader->run;
    reader->run = (struct pe_stage_report){.kind = PE_RUN_STAGE};
    reader->in_run = false;
    reader->may_check = run->kind != PE_RUN_CHECK;
    return 1;
}

/* ---- frames ---- */

static bool is_output(const struct pe_report_reader *reader)
{
    return reader->head[0] == PE_STAGE_OUT || reader->head[0] == PE_STAGE_ERR;
}

static int check_head(const struct pe_report_reader *reader, struct pe_error *err)
{
    if (reader->head[0] == '\0' || !strchr("BCKoeE", reader->head[0]))
        return malformed(err, "has a frame of an unknown kind");
    if (!is_output(reader) && reader->left > TEXT_FRAME_MAX)
        return malformed(err, "has a frame that is too long");
    bool needs_run = is_output(reader) || reader->head[0] == PE_STAGE_END;
    return needs_run && !reader->in_run ? malformed(err, "has output outside of a stage") : 0;
}

/* Returns 1 when the head is complete. */
static int read_head(struct pe_report_reader *reader, struct pe_cursor *bytes, struct pe_error *err)
{
    while (reader->head_size < PE_STAGE_FRAME_HEAD && bytes->left)
        reader->head[reader->head_size++] = *pe_cursor_read(bytes, 1);
    if (reader->head_size < PE_STAGE_FRAME_HEAD)
        return 0;
    reader->left = (size_t)reader->head[1] << 16 | (size_t)reader->head[2] << 8 | reader->head[3];
    reader->text.size = 0;
    return check_head(reader, err) < 0 ? -1 : 1;
}

/* Read bytes of a frame. Returns 1 if it is complete, and is the end of a run. */
static int read_frame(struct pe_report_reader *reader, struct pe_cursor *bytes, struct pe_error *err)
{
    size_t size = bytes->left < reader->left ? bytes->left : reader->left;
    const uint8_t *at = pe_cursor_read(bytes, size);
    reader->left -= size;
    if ((is_output(reader) ? add_output(&reader->run, reader->head[0] == PE_STAGE_ERR, at, size, err)
                           : pe_buf_append(&reader->text, at, size, err)) < 0)
        return -1;
    if (reader->left)
        return 0;
    reader->head_size = 0;
    const struct pe_cursor text = {.at = reader->text.data, .left = reader->text.size};
    if (reader->head[0] == PE_STAGE_END)
        return end_run(&reader->run, text, err) < 0 ? -1 : 1;
    return is_output(reader) ? 0 : begin_run(reader, text, err);
}

int pe_report_read(struct pe_report_reader *reader, struct pe_cursor *bytes, struct pe_stage_report *run,
                   struct pe_error *err)
{
    for (;;) {
        int done = reader->head_size < PE_STAGE_FRAME_HEAD ? read_head(reader, bytes, err) : 1;
        if (done <= 0)
            return done;
        done = read_frame(reader, bytes, err);
        if (done != 0)
            return done < 0 ? -1 : hand_out(reader, run, err);
        if (reader->left)
            return 0;
    }
}

int pe_report_end(struct pe_report_reader *reader, struct pe_stage_report *run, struct pe_error *err)
{
    return reader->in_run ? hand_out(reader, run, err) : 0;
}

void pe_stage_report_free(struct pe_stage_report *run)
{
    pe_buf_free(&run->out);
    pe_buf_free(&run->error);
    pe_buf_free(&run->both);
    *run = (struct pe_stage_report){.kind = PE_RUN_STAGE};
}

void pe_report_reader_free(struct pe_report_reader *reader)
{
    pe_stage_report_free(&reader->run);
    pe_buf_free(&reader->text);
    *reader = (struct pe_report_reader){0};
}

/* ---- stages without cases ---- */

static int add_stage(struct pe_stages *stages, struct pe_stage_report *run, struct pe_error *err)
{
    if (run->kind != PE_RUN_STAGE || stages->count == PE_STAGES_MAX) {
        pe_stage_report_free(run);
        return malformed(err, "has cases");
    }
    stages->items[stages->count++] = *run;
    return 0;
}

int pe_stages_read(const void *bytes, size_t size, struct pe_stages *stages, struct pe_error *err)
{
    *stages = (struct pe_stages){0};
    pe_autoreportreader struct pe_report_reader reader = {0};
    struct pe_cursor rest = {.at = bytes, .left = size};
    struct pe_stage_report run;
    int got = 0;
    while ((got = pe_report_read(&reader, &rest, &run, err)) > 0)
        if (add_stage(stages, &run, err) < 0)
            return -1;
    if (got == 0)
        got = pe_report_end(&reader, &run, err);
    if (got < 0)
        return -1;
    return got ? add_stage(stages, &run, err) : 0;
}

void pe_stages_free(struct pe_stages *stages)
{
    for (size_t i = 0; i < stages->count; i++)
        pe_stage_report_free(&stages->items[i]);
    *stages = (struct pe_stages){0};
}
