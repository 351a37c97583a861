/* SPDX-License-Identifier: Apache-2.0 */
/* The event loop's side of exporting spans: batches, bounds and counts. The helper's side is
 * span_sender.c. */
#include "lb/core/span_export.h"

#include "base/io.h"
#include "base/list.h"
#include "lb/core/span_sender.h"
#include "lb/core/span_wire.h"

#include <string.h>
#include <time.h>

enum {
    BATCH_MS = 250,
    BATCH_BYTES = 256 * 1024,     /* a batch with that much is sent at once */
    UNSENT_MAX = 2 * 1024 * 1024, /* bytes on their way to the helper; spans beyond that are dropped */
    END_MS = 5000,                /* for the last batches to be sent */
    END_DRAIN_MS = 1000,          /* how long the helper may read nothing of them */
};
_Static_assert(BATCH_BYTES + 65536 < (int)SPAN_BODY_MAX, "a batch must fit into a message");

static struct span_export *from_helper(struct helper *helper)
{
    return pe_list_entry(helper, struct span_export, helper);
}

/* ---- the helper ---- */

static int on_bytes(struct helper *helper)
{
    struct span_export *export = from_helper(helper);
    struct span_report report;
    while (helper->in.size >= sizeof report) {
        memcpy(&report, helper->in.data, sizeof report);
        pe_buf_consume(&helper->in, sizeof report);
        if (report.count > export->under_way)
            return -1;
        export->under_way -= report.count;
        *(report.exported ? &export->exported : &export->failed) += report.count;
    }
    return 0;
}

static void on_gone(struct helper *helper)
{
    struct span_export *export = from_helper(helper);
    export->failed += export->under_way;
    export->under_way = 0;
}

/* ---- batches ---- */

static void drop_batch(struct span_export *export)
{
    export->dropped += export->batch_count;
    export->batch.size = export->batch_count = 0;
}

/* Append the batch as a message for the helper. */
static int append_batch(const struct span_export *export, struct pe_buf *out, struct pe_error *err)
{
    size_t at = out->size;
    struct span_frame frame = {.count = export->batch_count};
    if (pe_buf_append(out, &frame, sizeof frame, err) < 0 || span_append_head(out, err) < 0 ||
        pe_buf_append(out, export->batch.data, export->batch.size, err) < 0 || span_append_tail(out, err) < 0)
        return -1;
    frame.size = (uint32_t)(out->size - at - sizeof frame);
    memcpy(out->data + at, &frame, sizeof frame);
    return 0;
}

static void send_batch(struct span_export *export)
{
    struct pe_error err;
    struct helper *helper = &export->helper;
    size_t at = helper->out.size;
    if (export->is_due)
        export->loop->ops->stop_timer(export->loop, &export->due);
    export->is_due = false;
    if (!export->batch_count)
        return;
    if (!helper->watch || helper_unsent(helper) > UNSENT_MAX) {
        drop_batch(export);
        return;
    }
    if (append_batch(export, &helper->out, &err) < 0) {
        helper->out.size = at;
        drop_batch(export);
        return;
    }
    export->under_way += export->batch_count;
    export->batch.size = export->batch_count = 0;
    helper_flush(helper);
}

static void on_due(struct loop_timer *timer)
{
    struct span_export *export = pe_list_entry(timer, struct span_export, due);
    export->is_due = false;
    send_batch(export);
}

void span_export_set_clock(struct span_export *export)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    export->epoch_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec - pe_now_us() * 1000;
}

void span_export_add(struct span_export *export, const struct span *span)
{
    struct pe_error err;
    size_t at = export->batch.size;
    if (!export->arguments[0] || !(span->trace.flags & PE_TRACE_SAMPLED))
        return;
    if ((at && pe_buf_append(&export->batch, ",", 1, &err) < 0) ||
        span_append(span, export->epoch_ns, &export->batch, &err) < 0) {
        export->batch.size = at;
        export->dropped++;
        return;
    }
    export->batch_count++;
    if (export->batch.size >= BATCH_BYTES) {
        send_batch(export);
    } else if (!export->is_due) {
        export->is_due = true;
        export->loop->ops->start_timer(export->loop, &export->due, BATCH_MS);
    }
}

/* ---- life ---- */

int span_export_init(struct span_export *export, struct loop *loop, const char *endpoint,
                     struct pe_error *err)
{
    static const struct helper_ops ops = {
        .on_bytes = on_bytes,
        .on_gone = on_gone,
        .lost = "the helper that exports traces has exited: traces are dropped until it is restarted"};
    *export = (struct span_export){.loop = loop, .due = {.on_expire = on_due}};
    helper_init(&export->helper, loop, &ops, export->arguments);
    if (!endpoint)
        return 0;
    export->arguments[0] = "pe-lb";
    export->arguments[1] = SPAN_SENDER_ARGUMENT;
    export->arguments[2] = HELPER_FD;
    export->arguments[3] = endpoint;
    return helper_start(&export->helper, err);
}

void span_export_close(struct span_export *export)
{
    if (!export->arguments[0])
        return;
    send_batch(export);
    if (export->helper.watch && helper_drain(&export->helper, END_DRAIN_MS) < 0)
        export->failed += export->under_way;
    helper_close(&export->helper, END_MS);
    pe_buf_free(&export->batch);
}
