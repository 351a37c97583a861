/* SPDX-License-Identifier: Apache-2.0 */
/* From a failure, or a result, to an exit code. */
#include "cli/exit.h"

#include <errno.h>

int exit_code_of_failure(const struct pe_error *err, bool is_own)
{
    switch (err->kind) {
    case PE_ERR_NOT_FOUND:
        return EXIT_NO_IMAGE;
    case PE_ERR_BUSY:
        return EXIT_BUSY;
    case PE_ERR_INVALID:
    case PE_ERR_TOO_LARGE:
    case PE_ERR_UNSUPPORTED:
        return err->errnum == EACCES ? EXIT_NOT_ALLOWED : EXIT_REFUSED;
    case PE_ERR_LOST:
    case PE_ERR_TIMEOUT:
        return is_own ? EXIT_SERVICE : EXIT_UNREACHABLE;
    case PE_ERR_INTERNAL:
    case PE_ERR_MALFORMED:
    case PE_ERR_CANCELED:
        break;
    }
    return EXIT_SERVICE;
}

int exit_code_of_profile(const struct pe_error *err)
{
    return err->kind == PE_ERR_INVALID ? EXIT_USAGE : EXIT_CONFIG;
}

static int exit_code_of_end(const struct pe_result *result)
{
    if (result->signal)
        return EXIT_SIGNAL + result->signal;
    return result->exit_code < 0 ? EXIT_SERVICE : result->exit_code;
}

static int exit_code_of_summary(const struct response_summary *summary)
{
    if (summary->is_right)
        return 0;
    return summary->is_stage_failed ? EXIT_STAGE : EXIT_NOT_RIGHT;
}

int exit_code_of_response(const struct response *response)
{
    const struct pe_result *result = &response->result;
    switch (result->status) {
    case PE_STATUS_EXITED:
    case PE_STATUS_SIGNALED:
    case PE_STATUS_OUTPUT_LIMIT:
        return response->summary.is_given ? exit_code_of_summary(&response->summary)
                                          : exit_code_of_end(result);
    case PE_STATUS_TIMEOUT:
        return EXIT_TIMEOUT;
    case PE_STATUS_OOM:
        return EXIT_OOM;
    case PE_STATUS_STREAM_LIMIT:
        return EXIT_STREAM_LIMIT;
    case PE_STATUS_VM_ERROR:
        break;
    }
    return EXIT_SERVICE;
}
