/* SPDX-License-Identifier: Apache-2.0 */
/* The command line of pe-worker. */
#ifndef PE_WORKER_SETTINGS_H
#define PE_WORKER_SETTINGS_H

#include "base/error.h"
#include "base/options.h"
#include "proto/isolation.h"
#include "worker/host/vm_files.h"
#include "worker/owner_hours.h"
#include "worker/owner_options.h"

#include <stdbool.h>
#include <stdint.h>

/* Texts point into argv. NULL: the option was not given. */
struct settings {
    /* the balancers */
    struct pe_option_list servers;
    const char *token_file, *ca, *proxy, *name;
    /* jobs */
    uint64_t slots, ahead, memory_mib;
    struct owner_options owner;
    struct owner_hours hours; /* from `owner` */
    struct pe_option_list warm;
    /* folders and files */
    const char *store, *state, *run, *metrics;
    /* the engine */
    const char *vmm, *isolation;
    struct pe_isolation_set isolation_set; /* from `isolation`; empty: any */
    bool probe_again;
    /* VMs */
    uint64_t templates_mib, refills, prewarm_slots;
    bool new_containers, no_warm_up;
    struct vm_files files;
    bool uml_seccomp;
    struct pe_option_list vmm_paths;
    const char *user;
    /* the process */
    bool doctor, json, die_with_parent;
};

/* Parse and check the command line, and confine this process to the CPUs of --cores. Prints --help and exits
 * if it is asked to. PE_ERR_INVALID names the option that is wrong. The caller calls settings_free, also
 * after a failure. */
int settings_parse(struct settings *settings, int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;

/* Free the lists. The texts belong to argv. */
void settings_free(struct settings *settings);

#endif
