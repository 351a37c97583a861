/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of pe-vm. Each has a file of its own, command_NAME.c, with its table of options and one
 * entry function. Entry functions get argv[0] as the subcommand's name. They return the exit status of pe-vm:
 * 0, or another one, such as that of a command in a guest. Or they return a negative number with the error
 * set. A wrong command line is PE_ERR_INVALID, which becomes the exit status 2. Other errors are those of the
 * functions that do the work. */
#ifndef PE_VM_COMMAND_H
#define PE_VM_COMMAND_H

#include "base/error.h"
#include "base/options.h"
#include "vm/name.h"
#include "vm/place.h"

#include <jansson.h>
#include <stdbool.h>

/* Entries for a subcommand's table of options. */
#define COMMAND_PLACE_OPTION(path)                                                                 \
    {                                                                                              \
        "run-dir", 0, "DIR", "folder of the VMs (default: $XDG_RUNTIME_DIR/pe-vm, or /run/pe-vm)", \
            PE_OPTION_TEXT, &(path)                                                                \
    }
#define COMMAND_JSON_OPTION(json)                                                              \
    {                                                                                          \
        "json", 0, NULL, "print the result as JSON, and nothing else", PE_OPTION_FLAG, &(json) \
    }

/* What most subcommands begin with: parse the options, open the place of --run-dir, and read the name of
 * a VM, which is the first argument. `*rest` is the index of the argument after the name; with `extra`
 * false there must be none. `place_path` is what the option --run-dir of the table wrote. PE_ERR_INVALID for
 * a wrong command line, and the errors of place_open. */
int command_begin(const struct pe_program *program, int argc, char **argv, const char *const *place_path,
                  bool extra, struct place *place, struct vmname *name, int *rest,
                  struct pe_error *err) PE_MUST_CHECK;

/* Open the place, and clean up after killed owners. Fails as place_open does. */
int command_open_place(const char *path, struct place *place, struct pe_error *err) PE_MUST_CHECK;

/* Print `json` on standard output, indented, and drop the caller's reference to it. NULL stands for
 * a value that could not be made because memory ran out. That and a failed write are PE_ERR_INTERNAL. */
int command_print_json(json_t *json, struct pe_error *err) PE_MUST_CHECK;

/* The entry functions. */
int command_create(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_boot(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_pause(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_resume(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_snapshot(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_restore(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_resize(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_add_disk(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_add_net(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_remove(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_console(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_exec(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_fault(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_shutdown(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_list(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_info(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_task(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_template(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;
int command_delete(int argc, char **argv, struct pe_error *err) PE_MUST_CHECK;

#endif
