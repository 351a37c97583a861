/* SPDX-License-Identifier: Apache-2.0 */
/* The same as pe_expect_hash(), with OpenSSL. */
#include "lb/cases/expected.h"

#include "proto/expect.h"

static int hash(struct pe_cursor bytes, char hex[PE_SHA256_HEX_SIZE], struct pe_error *err)
{
    return pe_sha256_hex(bytes.left ? bytes.at : (const uint8_t *)"", bytes.left, hex, err);
}

int case_output_hash(bool is_exact, struct pe_cursor output, char hex[PE_SHA256_HEX_SIZE],
                     struct pe_error *err)
{
    pe_autoexpect struct pe_expect expect;
    pe_autobuf struct pe_buf compared = {0};
    pe_expect_begin(&expect, PE_EXPECT_TRAILING_SPACE);
    if (is_exact)
        return hash(output, hex, err);
    if (pe_expect_add(&expect, output.at, output.left, &compared, err) < 0)
        return -1;
    return hash((struct pe_cursor){.at = compared.data, .left = compared.size}, hex, err);
}
