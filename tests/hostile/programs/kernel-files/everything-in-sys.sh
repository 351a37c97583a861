#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write to every file in /sys, which controls the kernel's devices and modules.
#
# result: exited 0
# stdout: held
find /sys -type f -perm /222 2>/dev/null | while read -r file; do
    true 2>/dev/null >>"$file" && echo "BREACH: $file"
done
mkdir /sys/fs/cgroup/new 2>/dev/null && echo 'BREACH: a new cgroup'
echo held
