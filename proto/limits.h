/* SPDX-License-Identifier: Apache-2.0 */
/* The limits that all parts of the service keep; docs/api.md has those that a client meets. Sizes
 * are in bytes. */
#ifndef PE_PROTO_LIMITS_H
#define PE_PROTO_LIMITS_H

#define PE_MIB (1024u * 1024u)

/* What a client may send. */
#define PE_INPUT_BYTES_MAX (32u * PE_MIB) /* all files of a job together */
#define PE_INPUT_FILES_MAX 4096u          /* files of a job */
#define PE_JOB_JSON_MAX (256u * 1024u)    /* the part `job` */
#define PE_BODY_BYTES_MAX                                                                  \
    (PE_INPUT_BYTES_MAX + 4u * PE_MIB)      /* a whole request body, part headers included \
                                             */
#define PE_PATH_MAX 1024u                   /* a relative path, without the NUL */
#define PE_PATH_COMPONENT_MAX 255u          /* one name in it (NAME_MAX of Linux) */
#define PE_PATH_DEPTH_MAX 32u               /* names in it */
#define PE_ARGS_MAX 1024u                   /* arguments in `cmd` */
#define PE_ENV_MAX 256u                     /* entries in `env` */
#define PE_PROGRAM_BYTES_MAX (512u * 1024u) /* arguments and environment of a program, also the image's */
#define PE_GLOBS_MAX 64u                    /* entries in `outputs` */
#define PE_TEXT_MAX (64u * 1024u)           /* one argument of cmd, one value of env */
#define PE_IMAGE_NAME_MAX 255u
#define PE_CACHE_SALT_MAX 256u /* bytes of the header X-Cache-Salt */

/* What a job may use: defaults and maxima. */
#define PE_TIMEOUT_MS_DEFAULT 10000u
#define PE_TIMEOUT_MS_MAX 60000u     /* what a client can ask for */
#define PE_STAGE_MS_MAX 300000u      /* what an operator can allow for one stage of a job (proto/stages.h) */
#define PE_CASES_MS_DEFAULT 600000u  /* of a job with stages and cases, unless the operator says otherwise */
#define PE_STAGED_JOB_MS_MAX 660000u /* of a job with two stages, and the time between them */
/* What an operator can allow for a job whose input is typed. */
#define PE_INTERACTIVE_MS_MAX (24u * 3600u * 1000u)
#define PE_JOB_MS_MAX PE_INTERACTIVE_MS_MAX /* of any job */
#define PE_GUEST_MEMORY_MIB 1024u
#define PE_GUEST_CPUS 1u
#define PE_PIDS_MAX 512u
#define PE_STACK_KIB_MIN 64u /* less is not enough to start programs */
#define PE_STACK_KIB_MAX (PE_GUEST_MEMORY_MIB * 1024u)
#define PE_SCRATCH_BYTES_MAX (512u * PE_MIB)

/* What a result may contain. */
#define PE_STDOUT_BYTES_MAX (1u * PE_MIB)  /* unless the job has `stdout_max`, up to PE_OUTPUT_BYTES_MAX */
#define PE_STDERR_BYTES_MAX (1u * PE_MIB)  /* likewise with `stderr_max` */
#define PE_LIVE_STREAM_BYTES (8u * PE_MIB) /* the same two, of a job whose input is typed */
#define PE_OUTPUT_BYTES_MAX (16u * PE_MIB) /* stdout, stderr and output files together */
#define PE_OUTPUT_FILES_MAX 4096u
#define PE_DROPPED_NAMES_MAX 16u /* names of outputs that are left out */

/* The guest's devices. virtio-pmem needs sizes that are multiples of 2 MiB, which is one huge page.
 */
#define PE_PMEM_ALIGN (2u * PE_MIB)
#define PE_INPUT_DEVICE_BYTES (48u * PE_MIB)
#define PE_OUTPUT_DEVICE_BYTES (24u * PE_MIB)
#define PE_LIVE_DEVICE_BYTES (4u * PE_MIB) /* proto/live_ring.h */

/* The slot protocol. */
#define PE_SLOT_TEXT_MAX (4u * PE_MIB)   /* one JSON message */
#define PE_SLOT_BINARY_MAX (64u * 1024u) /* one binary message */
#define PE_SLOT_PING_MS 5000u /* between two pings; after three in silence the connection is closed */
/* How long the two sides of a slot's connection wait for each other, beside the time limit of the
 * job: PE_SLOT_GRACE_US, in which a VM can be made where nothing is accelerated, and as long as the
 * bytes take at PE_SLOT_BYTES_PER_S, because links can be slow. After that, the balancer gives the
 * job to another slot, and a worker leaves a balancer that does not send or read the bytes. The
 * values must be alike, or one side gives up a job that the other one still works on. */
#define PE_SLOT_GRACE_US (120ull * 1000 * 1000)
#define PE_SLOT_BYTES_PER_S (16u * 1024u)

#endif
