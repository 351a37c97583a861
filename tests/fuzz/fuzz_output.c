/* SPDX-License-Identifier: Apache-2.0 */
/* The output device of a hostile guest: a cpio archive that is read with libarchive. An archive
 * that is accepted keeps the limits. */
#include "proto/limits.h"
#include "tests/fuzz/fuzz.h"
#include "worker/job/output.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct output output;
    struct pe_error err;
    if (output_read(bytes, size, &(struct output_limits){PE_STDOUT_BYTES_MAX, PE_STDERR_BYTES_MAX}, &output,
                    &err) == 0) {
        HOLDS(output.parts.count >= 2 && output.parts.count <= PE_OUTPUT_FILES_MAX + 2);
        HOLDS(output.parts.items[0].kind == PE_PART_STDOUT && output.parts.items[1].kind == PE_PART_STDERR);
        HOLDS(pe_parts_size(&output.parts) == output.bytes.size);
        HOLDS(output.bytes.size <= PE_OUTPUT_BYTES_MAX);
    }
    output_free(&output);
    return 0;
}
