/* SPDX-License-Identifier: Apache-2.0 */
/* Frames are written as they come, without a buffer: the host can pass them on at once. */
#include "guest-init/run_report.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    EXIT_CANNOT_EXECUTE = 126,
    END_ROOM = 512, /* bytes that are reserved for the end of a run */
};

static void write_all(struct iovec *pieces, int count)
{
    while (count) {
        ssize_t n = writev(STDOUT_FILENO, pieces, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            _exit(EXIT_CANNOT_EXECUTE); /* pe-init or the pipe is gone */
        for (; count && (size_t)n >= pieces->iov_len; pieces++, count--)
            n -= (ssize_t)pieces->iov_len;
        if (count) {
            pieces->iov_base = (char *)pieces->iov_base + n;
            pieces->iov_len -= (size_t)n;
        }
    }
}

void run_report_frame(struct run_report *report, enum pe_stage_frame kind, const void *bytes, size_t size)
{
    uint8_t head[PE_STAGE_FRAME_HEAD] = {(uint8_t)kind, (uint8_t)(size >> 16), (uint8_t)(size >> 8),
                                         (uint8_t)size};
    struct iovec pieces[] = {{head, sizeof head}, {(void *)(uintptr_t)bytes, size}};
    const size_t all = sizeof head + size;
    write_all(pieces, 2);
    report->left -= report->left < all ? report->left : all;
}

/* What only plans in a file have, is left out of other reports. */
static int append_more(const struct run_result *result, char *text, size_t size)
{
    int used = 0;
    *text = '\0';
    if (result->out_cut || result->error_cut)
        used = snprintf(text, size, "stdout_cut=%llu\nstderr_cut=%llu\n", (unsigned long long)result->out_cut,
                        (unsigned long long)result->error_cut);
    if (result->sha256)
        used += snprintf(text + used, size - (size_t)used, "sha256=%s\n", result->sha256);
    return used;
}

void run_report_end(struct run_report *report, const struct run_result *result)
{
    static const char *const names[PE_STAGE_ENDS] = PE_STAGE_END_NAMES;
    const struct shim_answer *usage = &result->usage;
    const bool exited = result->end == PE_STAGE_EXITED, signaled = result->end == PE_STAGE_SIGNALED;
    char text[END_ROOM];
    int size = snprintf(text, sizeof text,
                        "end=%s\ncode=%d\nsignal=%d\nwall_us=%llu\nuser_us=%llu\nsystem_us=%llu\n"
                        "max_rss_kib=%llu\noom_kills=%llu\nheld_kib=%llu\n",
                        names[result->end], exited ? WEXITSTATUS(result->wait_status) : 0,
                        signaled ? WTERMSIG(result->wait_status) : 0, (unsigned long long)result->wall_us,
                        (unsigned long long)usage->user_us, (unsigned long long)usage->system_us,
                        (unsigned long long)usage->peak_kib, (unsigned long long)usage->oom_kills,
                        (unsigned long long)usage->held_kib);
    size += append_more(result, text + size, sizeof text - (size_t)size);
    run_report_frame(report, PE_STAGE_END, text, (size_t)size);
}

size_t run_report_room(const struct run_report *report)
{
    const size_t kept = report->reserved + PE_STAGE_FRAME_HEAD + END_ROOM;
    return report->left > kept ? report->left - kept : 0;
}
