/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 in its textual forms, with the test vectors of FIPS 180-4. */
#include "codec/sha256.h"
#include "tests/unit/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void bytes_are_hashed_in_both_forms(void **state)
{
    (void)state;
    struct pe_error err;
    char hex[PE_SHA256_HEX_SIZE], digest[PE_SHA256_DIGEST_SIZE];
    assert_int_equal(pe_sha256_hex("abc", 3, hex, &err), 0);
    assert_string_equal(hex, ABC);
    assert_int_equal(pe_sha256_digest("", 0, digest, &err), 0);
    assert_string_equal(digest, "sha256:" NOTHING);
}

static void pieces_make_the_same_hash(void **state)
{
    (void)state;
    struct pe_error err;
    char hex[PE_SHA256_HEX_SIZE], at_once[PE_SHA256_HEX_SIZE];
    pe_autosha256 struct pe_sha256 *hash = pe_sha256_new(&err);
    pe_sha256_add(hash, "a", 1);
    pe_sha256_add_text(hash, "bc");
    assert_int_equal(pe_sha256_end_hex(hash, hex, &err), 0);
    assert_int_equal(pe_sha256_hex("abc", 4, at_once, &err), 0);
    assert_string_equal(hex, at_once);
}

static void a_file_is_hashed(void **state)
{
    (void)state;
    struct pe_error err;
    char path[] = "/tmp/pe-test-sha256-XXXXXX", digest[PE_SHA256_DIGEST_SIZE];
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "abc", 3), 3);
    close(fd);
    assert_int_equal(pe_sha256_file_digest(path, digest, &err), 0);
    assert_string_equal(digest, "sha256:" ABC);
    unlink(path);
    assert_int_equal(pe_sha256_file_digest(path, digest, &err), -1);
    assert_error(err, PE_ERR_INTERNAL, path);
}

static void only_exact_texts_are_valid(void **state)
{
    (void)state;
    assert_true(pe_sha256_hex_valid(ABC));
    assert_true(pe_sha256_digest_valid("sha256:" ABC));
    assert_false(pe_sha256_hex_valid(""));
    assert_false(pe_sha256_hex_valid(ABC "0"));
    assert_false(pe_sha256_hex_valid("BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    assert_false(pe_sha256_digest_valid(ABC));
    assert_false(pe_sha256_digest_valid("sha512:" ABC));
    assert_false(pe_sha256_digest_valid("sha256:"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_hashed_in_both_forms),
        cmocka_unit_test(pieces_make_the_same_hash),
        cmocka_unit_test(a_file_is_hashed),
        cmocka_unit_test(only_exact_texts_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
