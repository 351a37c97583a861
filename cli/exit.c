/* From a failure to an exit code. */
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
        return err->errnum == EACCES ? EXIT_NOT_ALLOWED : EXIT_REFUSED;
    case PE_ERR_LOST:
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
