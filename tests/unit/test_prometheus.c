/* SPDX-License-Identifier: Apache-2.0 */
/* The text format of metrics, and histograms of durations. */
#include "codec/prometheus.h"
#include "tests/unit/check.h"

static const struct pe_histogram_bounds bounds = {.count = 3, .upper_us = {100, 2500, 1000000}};

static void assert_page(struct pe_metrics_page *page, const char *wanted)
{
    struct pe_error err = {0};
    assert_int_equal(pe_metrics_page_finish(page, &err), 0);
    assert_int_equal(pe_buf_append(&page->text, "", 1, &err), 0);
    assert_string_equal((const char *)page->text.data, wanted);
    pe_buf_free(&page->text);
}

static void a_value_is_a_head_and_one_sample(void **state)
{
    (void)state;
    struct pe_metrics_page page = {0};
    pe_metrics_append_value(&page, "pe_slots", "gauge", "Slots connected.", 12);
    pe_metrics_append_value(&page, "pe_bytes", "counter", "Bytes.", 123456789012345.0);
    assert_page(&page, "# HELP pe_slots Slots connected.\n# TYPE pe_slots gauge\npe_slots 12\n"
                       "# HELP pe_bytes Bytes.\n# TYPE pe_bytes counter\npe_bytes 123456789012345\n");
}

static void a_label_value_is_escaped(void **state)
{
    (void)state;
    struct pe_metrics_page page = {0};
    pe_metrics_append_sample(&page, "pe_jobs_total", "status", "exited", 3);
    pe_metrics_append_sample(&page, "pe_jobs_total", "status", "a\"b\\c\nd", 0.25);
    pe_metrics_append_sample(&page, "pe_jobs_total", "status", "", 0);
    assert_page(&page, "pe_jobs_total{status=\"exited\"} 3\n"
                       "pe_jobs_total{status=\"a\\\"b\\\\c\\nd\"} 0.25\n"
                       "pe_jobs_total{status=\"\"} 0\n");
}

static void an_observation_falls_into_the_bucket_of_its_upper_bound(void **state)
{
    (void)state;
    struct pe_histogram histogram = {0};
    const uint64_t durations_us[] = {0, 100, 101, 2500, 1000000, 1000001, 90000000};
    for (size_t i = 0; i < sizeof durations_us / sizeof *durations_us; i++)
        pe_histogram_observe(&histogram, &bounds, durations_us[i]);
    struct pe_metrics_page page = {0};
    pe_metrics_append_histogram(&page, "pe_seconds", NULL, NULL, &histogram, &bounds);
    assert_page(&page, "pe_seconds_bucket{le=\"0.0001\"} 2\n"
                       "pe_seconds_bucket{le=\"0.0025\"} 4\n"
                       "pe_seconds_bucket{le=\"1\"} 5\n"
                       "pe_seconds_bucket{le=\"+Inf\"} 7\n"
                       "pe_seconds_sum 92.002702\n"
                       "pe_seconds_count 7\n");
}

static void a_histogram_carries_its_label_on_every_line(void **state)
{
    (void)state;
    static const struct pe_histogram_bounds one = {.count = 1, .upper_us = {50}};
    struct pe_histogram histogram = {0};
    pe_histogram_observe(&histogram, &one, 50);
    struct pe_metrics_page page = {0};
    pe_metrics_append_histogram(&page, "pe_step_seconds", "step", "boot", &histogram, &one);
    assert_page(&page, "pe_step_seconds_bucket{step=\"boot\",le=\"5e-05\"} 1\n"
                       "pe_step_seconds_bucket{step=\"boot\",le=\"+Inf\"} 1\n"
                       "pe_step_seconds_sum{step=\"boot\"} 0.000050\n"
                       "pe_step_seconds_count{step=\"boot\"} 1\n");
}

static void the_first_failure_is_kept_until_the_end(void **state)
{
    (void)state;
    struct pe_metrics_page page = {.text.limit = 40};
    struct pe_error err = {0};
    pe_metrics_append_value(&page, "pe_slots", "gauge", "Slots connected.", 12);
    pe_metrics_append_sample(&page, "x", NULL, NULL, 1);
    assert_int_equal(pe_metrics_page_finish(&page, &err), -1);
    assert_error(err, PE_ERR_TOO_LARGE, "cannot write the metrics page: ");
    pe_buf_free(&page.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_a_head_and_one_sample),
        cmocka_unit_test(a_label_value_is_escaped),
        cmocka_unit_test(an_observation_falls_into_the_bucket_of_its_upper_bound),
        cmocka_unit_test(a_histogram_carries_its_label_on_every_line),
        cmocka_unit_test(the_first_failure_is_kept_until_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
