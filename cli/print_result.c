/* SPDX-License-Identifier: Apache-2.0 */
/* The texts that a user sees about a result. exit.c chooses the exit code. */
#include "cli/print_result.h"

#include "base/io.h"
#include "proto/limits.h"
#include "proto/path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int write_bytes(int fd, const struct response_bytes *bytes, const char *name, struct pe_error *err)
{
    if (pe_write_all(fd, bytes->data, bytes->size, name, err) == 0)
        return 0;
    return err->errnum == EPIPE ? 0 : -1;
}

int print_result_output(const struct response *response, bool is_combined, struct pe_error *err)
{
    if (is_combined)
        return write_bytes(STDOUT_FILENO, &response->combined, "standard output", err);
    if (write_bytes(STDOUT_FILENO, &response->standard_output, "standard output", err) < 0)
        return -1;
    return write_bytes(STDERR_FILENO, &response->standard_error, "standard error", err);
}

static void print_reason(const struct pe_result *result)
{
    char shown[sizeof result->reason];
    switch (result->status) {
    case PE_STATUS_EXITED:
        break;
    case PE_STATUS_SIGNALED:
        fprintf(stderr, "pe-run: the program was killed by signal %d (%s)\n", result->signal,
                strsignal(result->signal));
        break;
    case PE_STATUS_TIMEOUT:
        fprintf(stderr,
                "pe-run: the program was killed after %.1f s because it exceeded its time limit; use "
                "--timeout to change the limit\n",
                (double)result->wall_us / 1e6);
        break;
    case PE_STATUS_OOM:
        fprintf(stderr, "pe-run: the program was killed because it exceeded its memory limit\n");
        break;
    case PE_STATUS_OUTPUT_LIMIT:
        fprintf(stderr, "pe-run: the program wrote more to /output than the service returns\n");
        break;
    case PE_STATUS_STREAM_LIMIT:
        fprintf(stderr, "pe-run: the program was killed because it exceeded the limit of %s\n",
                result->stdout_truncated ? "standard output" : "standard error");
        break;
    case PE_STATUS_VM_ERROR:
        fprintf(stderr, "pe-run: the VM failed: %s\n",
                pe_path_printable(result->reason, strlen(result->reason), shown, sizeof shown));
        break;
    }
}

static void print_timing(const struct pe_result *result)
{
    fprintf(stderr, "pe-run: %s%s, program %.3f s (user %.3f s, system %.3f s), %llu MiB;",
            pe_status_name(result->status), result->cached ? " (from the cache)" : "",
            (double)result->wall_us / 1e6, (double)result->user_us / 1e6, (double)result->system_us / 1e6,
            (unsigned long long)(result->max_rss_kib / 1024));
    if (result->isolation != PE_ISOLATION_UNKNOWN)
        fprintf(stderr, " isolation %s;", pe_isolation_name(result->isolation));
    if (result->trusted_host)
        fputs(" trusted host;", stderr);
    for (int phase = 0; phase < PE_PHASES; phase++)
        fprintf(stderr, " %s %.0f ms", pe_phase_names[phase], (double)result->phase_us[phase] / 1e3);
    fputc('\n', stderr);
}

/* Name them, as far as the service does: most people do not expect that a symbolic link is not sent. */
static void print_dropped(const struct pe_result *result)
{
    static const char *const terms[][2] = {
        {"symlink", "symbolic link"}, {"fifo", "FIFO"}, {"file", "does not fit"}, {"folder", "does not fit"}};
    const char *type = NULL, *name = NULL;
    char shown[PE_DROPPED_BYTES_MAX + 1];
    size_t named = 0;
    fprintf(stderr, "pe-run: output truncated: %llu output files were not returned",
            (unsigned long long)result->outputs_dropped);
    for (size_t at = 0; pe_dropped_next(&result->dropped, &at, &type, &name); named++) {
        for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
            type = !strcmp(type, terms[i][0]) ? terms[i][1] : type;
        fprintf(stderr, "%s %s (%s)", named ? "," : ":",
                pe_path_printable(name, strlen(name), shown, sizeof shown), type);
    }
    fputs(named && named < result->outputs_dropped ? ", and others\n" : "\n", stderr);
}

/* The last KiB may be incomplete, because no character is cut. */
static size_t kib(const struct response_bytes *stream)
{
    return (stream->size + 1023) / 1024;
}

void print_result_notices(const struct response *response, bool is_verbose)
{
    const struct pe_result *result = &response->result;
    if (result->stdout_truncated)
        fprintf(stderr, "pe-run: output truncated: only the first %zu KiB of standard output are kept\n",
                kib(&response->standard_output));
    if (result->stderr_truncated)
        fprintf(stderr, "pe-run: output truncated: only the first %zu KiB of standard error are kept\n",
                kib(&response->standard_error));
    print_reason(result);
    if (result->outputs_dropped)
        print_dropped(result);
    if (is_verbose)
        print_timing(result);
}
