/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold whenever the event loop has nothing left to do at this moment. */
#ifndef PE_TESTS_MODEL_AT_REST_H
#define PE_TESTS_MODEL_AT_REST_H

/* Check it. */
void at_rest_check(void);

/* Everything has ended: nothing may be left. */
void at_rest_check_end(void);

#endif
