/* SPDX-License-Identifier: Apache-2.0 */
/* PE-Job-Key. The key is that of docs/api.md, computed by other means; the page's test reads it here. */
#include "cli/job_key.h"
#include "tests/unit/check.h"

#include <stdlib.h>
#include <unistd.h>

#define KEY "1091722a2a55415727e9dff243385663f230beda7ddce3ed1cd870b284df8d7d"

static void the_key_is_made_of_image_command_and_files(void **state)
{
    (void)state;
    static const char job[] = "{\"image\": \"gcc:14\", \"cmd\": [\"sh\", \"-c\", \"\xc3\xa9\"], "
                              "\"timeout_ms\": 5}";
    struct pe_error err;
    char key[PE_SHA256_HEX_SIZE], path[] = "/tmp/pe-test-job-key-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "int main;", 9), 9);
    close(fd);
    struct input_file items[] = {{.name = (char[]){"main.c"}, .path = path},
                                 {.name = (char[]){"\xc3\xbc"}, .path = NULL}};
    uint8_t typed[] = {0, 255};
    const struct input_files files = {
        .items = items, .count = 2, .standard_input = {.data = typed, .size = sizeof typed}};
    assert_int_equal(job_key_compute(job, &files, key, &err), 0);
    assert_string_equal(key, KEY);
    unlink(path);
    assert_int_equal(job_key_compute(job, &files, key, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_key_is_made_of_image_command_and_files)};
    return cmocka_run_group_tests_name("job_key", tests, NULL, NULL);
}
