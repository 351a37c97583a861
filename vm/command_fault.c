/* SPDX-License-Identifier: Apache-2.0 */
/* pe-vm fault: the link of a VM fails for a while, or the VM is killed. */
#include "proto/job_spec.h"
#include "vm/command.h"
#include "vm/talk.h"

#include <stdio.h>

struct fault_options {
    const char *place, *device;
    bool link_down, kill;
    uint64_t rate, delay, loss, seconds;
};

static int check(const struct fault_options *options, struct pe_error *err)
{
    const int kinds =
        options->link_down + options->kill + (options->rate != 0) + (options->delay || options->loss);
    if (kinds != 1)
        return pe_fail(
            err, PE_ERR_INVALID,
            "one of --link-down, --rate, --kill, and --delay with or without --loss is needed; see pe-vm "
            "fault --help");
    if (options->seconds < 1 || options->seconds > 86400)
        return pe_fail(err, PE_ERR_INVALID, "--for must be between 1 and 86400 seconds");
    if (options->loss > 100 || options->delay > 60000 || options->rate > 100000000)
        return pe_fail(err, PE_ERR_INVALID,
                       "--loss must be at most 100 %%, --delay 60000 ms, and --rate 100000000 kbit/s");
    return 0;
}

static int ask(const struct place *place, const struct vmname *name, const struct fault_options *options,
               struct pe_error *err)
{
    pe_autojson json_t *answer = NULL;
    json_t *request =
        json_pack("{s:s, s:b, s:b, s:I, s:I, s:I, s:I, s:s*}", "command", "fault", "link_down",
                  options->link_down, "kill", options->kill, "rate_kbit", (json_int_t)options->rate,
                  "delay_ms", (json_int_t)options->delay, "loss", (json_int_t)options->loss, "for_ms",
                  (json_int_t)options->seconds * 1000, "device", options->device);
    if (talk_ask(place, name, request, &answer, err) < 0)
        return -1;
    const char *note = json_string_value(json_object_get(answer, "note"));
    if (note)
        fprintf(stderr, "pe-vm: %s\n", note);
    return 0;
}

int command_fault(int argc, char **argv, struct pe_error *err)
{
    struct fault_options o = {.seconds = 0};
    const struct pe_option options[] = {
        {"link-down", 0, NULL, "take the cable out", PE_OPTION_FLAG, &o.link_down},
        {"delay", 0, "MS", "delay each packet, in each direction", PE_OPTION_NUMBER, &o.delay},
        {"loss", 0, "PERCENT", "lose this share of the packets, in each direction", PE_OPTION_NUMBER,
         &o.loss},
        {"rate", 0, "KBIT", "bound the bandwidth, in each direction", PE_OPTION_NUMBER, &o.rate},
        {"kill", 0, NULL, "kill the VM, and boot it again afterwards", PE_OPTION_FLAG, &o.kill},
        {"for", 0, "SECONDS", "how long; the fault then ends by itself", PE_OPTION_NUMBER, &o.seconds},
        {"device", 0, "DEVICE", "the network device (default: the first one)", PE_OPTION_TEXT, &o.device},
        COMMAND_PLACE_OPTION(o.place),
        {0}};
    const struct pe_program program = {
        .name = "pe-vm fault",
        .usage = "[options] NAME",
        .about = "Let the link of a VM fail, or kill the VM. Returns when the fault has begun.",
        .options = options};
    struct place place;
    struct vmname name;
    int rest = 0;
    if (command_begin(&program, argc, argv, &o.place, false, &place, &name, &rest, err) < 0 ||
        check(&o, err) < 0)
        return -1;
    return ask(&place, &name, &o, err);
}
