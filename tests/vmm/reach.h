/* SPDX-License-Identifier: Apache-2.0 */
/* The file through which tests/vmm/confined.c and tests/vmm/reach.c talk. */
#ifndef PE_TESTS_VMM_REACH_H
#define PE_TESTS_VMM_REACH_H

#define REPORT_BYTES (4 << 20) /* no other file that a VMM inherits is as large */
#define REPORT_ANSWER 4096     /* where the answer begins */

#endif
