/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm shutdown: the guest ends itself. */
#include "base/io.h"
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/talk.h"

int command_shutdown(int argc, char **argv, struct pe_error *err)
{
    const char *path = NULL;
    uint64_t timeout = 60;
    const struct pe_option options[] = {
        {"timeout", 't', "SECONDS", "wait so long at most (default 60)", PE_OPTION_NUMBER, &timeout},
        COMMAND_PLACE_OPTION(path),
        {0}};
    const struct pe_program program = {
        .name = "pe-vm shutdown",
        .usage = "[options] NAME",
        .about = "Let the guest shut down, by its agent or with the power button, and wait for its end.",
        .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    pe_autojson json_t *answer = NULL;
    if (command_begin(&program, argc, argv, &path, false, &place, &name, &rest, err) < 0 ||
        talk_ask(&place, &name, json_pack("{s:s}", "command", "shutdown"), &answer, err) < 0)
        return -1;
    if (place_await_end(&place, &name, pe_now_us() + timeout * 1000000))
        return 0;
    return pe_fail(err, PE_ERR_TIMEOUT,
                   "the guest of %s has not ended within %llu s; `pe-vm delete` ends it in any case",
                   name.text, (unsigned long long)timeout);
}
