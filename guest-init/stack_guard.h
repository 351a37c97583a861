/* SPDX-License-Identifier: Apache-2.0 */
/* The stack guard (also called canary) of this process. All clones of a template have copies of the same
 * processes, and so the same guards, until these are renewed. */
#ifndef PE_GUEST_INIT_STACK_GUARD_H
#define PE_GUEST_INIT_STACK_GUARD_H

/* Choose another random guard. A function that was entered before checks its copy of the old guard when it
 * returns. Therefore the caller, and the functions that called it, must be STACK_GUARD_NONE unless they never
 * return. Call it after the random number generator of a clone has been reseeded. If there are no random
 * bytes, the guard stays. */
void stack_guard_renew(void);

/* Put before a function that has no guard. */
#define STACK_GUARD_NONE __attribute__((no_stack_protector))

#endif
