/* SPDX-License-Identifier: Apache-2.0 */
/* How the output of a program is compared with the expected one. The bytes go in piece by piece, and come out
 * as they are compared. Two outputs are equal if the same bytes come out. Guest and balancer use this file,
 * so they agree. */
#ifndef PE_PROTO_EXPECT_H
#define PE_PROTO_EXPECT_H

#include "base/buffer.h"
#include "base/error.h"

enum pe_expect_compare {
    PE_EXPECT_TRAILING_SPACE, /* without the white space at the end of each line, and the empty lines at the
                                 end */
    PE_EXPECT_EXACT,          /* as they are */
};

/* White space is a space, \t, \r, \v or \f; a line ends with \n. */
struct pe_expect {
    enum pe_expect_compare compare;
    struct pe_buf space; /* white space that belongs to the output if more of the line follows */
    size_t lines;        /* ends of lines in front of it, likewise */
};

/* Begin. Cannot fail. */
void pe_expect_begin(struct pe_expect *expect, enum pe_expect_compare compare);

/* Add bytes, and append to `out` what they are compared as. What is held back at the end is white space that
 * does not count. `out` gets no more bytes in total than were added. Fails as pe_buf_append does. */
int pe_expect_add(struct pe_expect *expect, const void *bytes, size_t size, struct pe_buf *out,
                  struct pe_error *err) PE_MUST_CHECK;

/* Free what `expect` owns. */
void pe_expect_free(struct pe_expect *expect);
#define pe_autoexpect __attribute__((cleanup(pe_expect_free)))

/* The hash of bytes as they are compared, in hex digits. PE_ERR_INTERNAL without memory. */
int pe_expect_hash(enum pe_expect_compare compare, const void *bytes, size_t size, char hex[65],
                   struct pe_error *err) PE_MUST_CHECK;

#endif
