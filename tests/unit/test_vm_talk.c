/* SPDX-License-Identifier: Apache-2.0 */
/* What a command of pe-vm learns from the owner of a VM. tests/vm has the VMs. */
#include "tests/unit/check.h"
#include "vm/talk.h"

#include <sys/socket.h>
#include <unistd.h>

/* Returns the error that arrives at the other end of a socket. */
static struct pe_error sent(enum pe_error_kind kind, const char *message)
{
    int ends[2];
    struct pe_error failure, err;
    json_t *json = NULL;
    pe_fail(&failure, kind, "%s", message);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    if (talk_send_error(ends[0], &failure, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(talk_receive(ends[1], &json, &err), -1);
    close(ends[0]);
    close(ends[1]);
    return err;
}

static void a_failure_arrives_with_its_kind(void **state)
{
    (void)state;
    const struct pe_error err = sent(PE_ERR_BUSY, "another command runs");
    assert_error(err, PE_ERR_BUSY, "another command runs");
}

static void a_failure_with_bytes_that_are_no_text_arrives_as_well(void **state)
{
    (void)state;
    struct pe_error err = sent(PE_ERR_LOST, "the VMM ended: \xff\xfe in hda");
    assert_error(err, PE_ERR_LOST, "the VMM ended: ");
    assert_error(err, PE_ERR_LOST, " in hda");
    char cut[PE_ERROR_MESSAGE_MAX + 2];
    memset(cut, 'a', sizeof cut);
    memcpy(cut + PE_ERROR_MESSAGE_MAX - 3, "\xe2\x82\xac", 4); /* the message is cut within it */
    err = sent(PE_ERR_INVALID, cut);
    assert_error(err, PE_ERR_INVALID, "aaaa");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failure_arrives_with_its_kind),
        cmocka_unit_test(a_failure_with_bytes_that_are_no_text_arrives_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
