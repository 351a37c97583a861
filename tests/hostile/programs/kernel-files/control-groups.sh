#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Find the control group that limits the job, and leave it.
#
# result: exited 0
# stdout: held
find / -name cgroup.procs -o -name cgroup.kill -o -name memory.max -o -name release_agent 2>/dev/null |
    while read -r file; do
        true 2>/dev/null >>"$file" && echo "BREACH: $file"
    done
grep -q cgroup /proc/self/mounts && echo 'BREACH: a file system of control groups'
echo held
