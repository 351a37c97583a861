/* SPDX-License-Identifier: Apache-2.0 */
/* What `pe-vm task` prints. docs/pe-bench.md explains the members. */
#ifndef PE_VM_TASK_REPORT_H
#define PE_VM_TASK_REPORT_H

#include "base/error.h"
#include "vm/task.h"

/* Print one line of JSON that says that the VM is ready, for a program that holds it. PE_ERR_INTERNAL if it
 * cannot be written. */
int task_report_ready(const struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Print the result and the times of a task that has run, as one line of JSON. PE_ERR_INTERNAL if it cannot be
 * written. */
int task_report_json(const struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Copy the streams of the program to those of this process, and write a table of the times to standard error.
 * PE_ERR_INTERNAL if a stream cannot be written. */
int task_report_text(const struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* Print one line of JSON with the paths of the snapshot's files, as --template needs them: they lead to the
 * descriptors of this process. PE_ERR_INTERNAL if it cannot be written. */
int task_report_template(const struct task *task, struct pe_error *err) PE_MUST_CHECK;

/* The exit status for a job: that of its program, 128 and the number of a signal, or 125 if it ended in
 * another way. */
int task_report_status(const struct pe_result *result);

#endif
