/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus' text format. Counting takes no locks: every number is an atomic of its own, and a
 * page that is written while jobs end may be one observation behind in one of its lines. */
#include "codec/prometheus.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void pe_histogram_observe(struct pe_histogram *histogram, const struct pe_histogram_bounds *bounds,
                          uint64_t us)
{
    size_t bucket = 0;
    while (bucket < bounds->count && us > bounds->upper_us[bucket])
        bucket++;
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_us, us, memory_order_relaxed);
}

static void append_bytes(struct pe_metrics_page *page, const char *bytes, size_t size)
{
    if (!page->failed && pe_buf_append(&page->text, bytes, size, &page->error) < 0)
        page->failed = true;
}

static void append_text(struct pe_metrics_page *page, const char *text)
{
    append_bytes(page, text, strlen(text));
}

static void __attribute__((format(printf, 2, 3)))
append_number(struct pe_metrics_page *page, const char *format, ...)
{
    char text[64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    append_text(page, text);
}

/* Backslash, double quote and line feed are the only bytes that a label's value must escape. */
static void append_label(struct pe_metrics_page *page, const char *label, const char *value)
{
    append_text(page, label);
    append_text(page, "=\"");
    while (*value) {
        size_t plain = strcspn(value, "\\\"\n");
        append_bytes(page, value, plain);
        value += plain;
        if (!*value)
            break;
        append_text(page, *value == '\n' ? "\\n" : *value == '"' ? "\\\"" : "\\\\");
        value++;
    }
    append_text(page, "\"");
}

/* NAME followed by SUFFIX and by the label in braces, if there is one, and a space. */
static void append_series(struct pe_metrics_page *page, const char *name, const char *suffix,
                          const char *label, const char *label_value)
{
    append_text(page, name);
    append_text(page, suffix);
    if (label && label_value) {
        append_text(page, "{");
        append_label(page, label, label_value);
        append_text(page, "}");
    }
    append_text(page, " ");
}

void pe_metrics_append_head(struct pe_metrics_page *page, const char *name, const char *type,
                            const char *help)
{
    append_text(page, "# HELP ");
    append_text(page, name);
    append_text(page, " ");
    append_text(page, help);
    append_text(page, "\n# TYPE ");
    append_text(page, name);
    append_text(page, " ");
    append_text(page, type);
    append_text(page, "\n");
}

void pe_metrics_append_sample(struct pe_metrics_page *page, const char *name, const char *label,
                              const char *label_value, double value)
{
    append_series(page, name, "", label, label_value);
    append_number(page, "%.15g\n", value);
}

void pe_metrics_append_value(struct pe_metrics_page *page, const char *name, const char *type,
                             const char *help, double value)
{
    pe_metrics_append_head(page, name, type, help);
    pe_metrics_append_sample(page, name, NULL, NULL, value);
}

/* One line for the observations that are not larger than `bound`, which is text. */
static void append_bucket(struct pe_metrics_page *page, const char *name, const char *label,
                          const char *label_value, const char *bound, unsigned long long count)
{
    append_text(page, name);
    append_text(page, "_bucket{");
    if (label && label_value) {
        append_label(page, label, label_value);
        append_text(page, ",");
    }
    append_label(page, "le", bound);
    append_number(page, "} %llu\n", count);
}

void pe_metrics_append_histogram(struct pe_metrics_page *page, const char *name, const char *label,
                                 const char *label_value, const struct pe_histogram *histogram,
                                 const struct pe_histogram_bounds *bounds)
{
    unsigned long long count = 0;
    for (size_t i = 0; i < bounds->count; i++) {
        char bound[32];
        snprintf(bound, sizeof bound, "%g", (double)bounds->upper_us[i] / 1e6);
        count += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        append_bucket(page, name, label, label_value, bound, count);
    }
    count += atomic_load_explicit(&histogram->buckets[bounds->count], memory_order_relaxed);
    append_bucket(page, name, label, label_value, "+Inf", count);
    append_series(page, name, "_sum", label, label_value);
    append_number(page, "%.6f\n",
                  (double)atomic_load_explicit(&histogram->sum_us, memory_order_relaxed) / 1e6);
    append_series(page, name, "_count", label, label_value);
    append_number(page, "%llu\n", count);
}

int pe_metrics_page_finish(const struct pe_metrics_page *page, struct pe_error *err)
{
    if (!page->failed)
        return 0;
    *err = page->error;
    return pe_fail_context(err, "cannot write the metrics page");
}
