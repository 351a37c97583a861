/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of guests, clients and workers in the log. */
#include "base/cleanup.h"
#include "base/log.h"
#include "tests/unit/check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HOSTILE                                     \
    "a\nlevel=info msg=\"forged\" \x1b[2J \xc2\x9b" \
    "2J \x7f \xc3\xa9 \\ z"

/* What the log writes for this text, in a format. */
static void log_text(const char *format, char line[1024])
{
    pe_autoclose int to = memfd_create("log", MFD_CLOEXEC);
    pe_autoclose int before = dup(STDERR_FILENO);
    setenv("PE_LOG_FORMAT", format, 1);
    pe_log_init("test");
    assert_int_equal(dup2(to, STDERR_FILENO), STDERR_FILENO);
    pe_log(PE_LOG_WARN, "%s", HOSTILE);
    pe_log_flush();
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    ssize_t n = pread(to, line, 1023, 0);
    assert_true(n > 0);
    line[n] = '\0';
}

static void a_text_stays_one_value_of_one_line(void **state)
{
    (void)state;
    char line[1024];
    log_text("logfmt", line);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_non_null(strstr(line, "msg=\"a level=info msg='forged' "));
    assert_string_equal(strrchr(line, 'z'), "z\"\n");
}

static void a_text_commands_no_terminal(void **state)
{
    (void)state;
    char line[1024];
    log_text("logfmt", line);
    assert_null(strchr(line, 0x1b));
    assert_null(strchr(line, 0x7f));
    assert_null(strstr(line, "\xc2\x9b"));
    assert_non_null(strstr(line, "\xc3\xa9"));
}

static void json_stays_json(void **state)
{
    (void)state;
    char line[1024];
    log_text("json", line);
    json_t *object = json_loads(line, 0, NULL);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "level")), "warn");
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_stays_one_value_of_one_line),
        cmocka_unit_test(a_text_commands_no_terminal),
        cmocka_unit_test(json_stays_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
