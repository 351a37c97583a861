/* SPDX-License-Identifier: Apache-2.0 */
/* The state-machine test as a target of libFuzzer: each byte of the input is one choice. */
#include "tests/model/choices.h"
#include "tests/model/run.h"

#include <stddef.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    choices_from_bytes(bytes, size);
    run_steps(UINT64_MAX);
    return 0;
}
