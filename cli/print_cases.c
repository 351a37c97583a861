/* SPDX-License-Identifier: Apache-2.0 */
/* Where the output of stages and the table go. */
#include "cli/print_cases.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "cli/case_table.h"

#include <errno.h>
#include <string.h>

static int write_bytes(int fd, const void *bytes, size_t size, struct pe_error *err)
{
    const char *name = fd == STDOUT_FILENO ? "standard output" : "standard error";
    if (!size || pe_write_all(fd, bytes, size, name, err) == 0)
        return 0;
    return err->errnum == EPIPE ? 0 : -1;
}

/* https://no-color.org: any text in NO_COLOR means none. */
static bool has_colours(int fd)
{
    const char *terminal = getenv("TERM"), *none = getenv("NO_COLOR");
    return isatty(fd) == 1 && terminal && strcmp(terminal, "dumb") != 0 && !(none && *none);
}

static int write_table(const struct case_report *report, int fd, struct pe_error *err)
{
    pe_autofree char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return pe_fail_errno(err, "out of memory for the table of cases");
    case_table_write(report, has_colours(fd), out);
    if (fclose(out) != 0)
        return pe_fail_errno(err, "out of memory for the table of cases");
    return write_bytes(fd, text, size, err);
}

int print_cases(const struct case_report *report, struct pe_error *err)
{
    const struct pe_buf *output = &report->output, *errors = &report->error_output;
    int program = report->case_count ? STDERR_FILENO : STDOUT_FILENO;
    int table = report->case_count ? STDOUT_FILENO : STDERR_FILENO;
    if (write_bytes(program, output->data, output->size, err) < 0 ||
        write_bytes(STDERR_FILENO, errors->data, errors->size, err) < 0)
        return -1;
    return write_table(report, table, err);
}
