/* The system calls a job may not make, as the `seccomp` object of an OCI runtime configuration. */
#ifndef PE_WORKER_SECCOMP_PROFILE_H
#define PE_WORKER_SECCOMP_PROFILE_H

#include <jansson.h>

/* A new JSON object; NULL without memory. */
json_t *seccomp_profile(void);

#endif
