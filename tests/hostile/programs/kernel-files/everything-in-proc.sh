#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Write to every file in /proc that does not belong to a process.
#
# result: exited 0
# stdout: held
find /proc -path '/proc/[0-9]*' -prune -o -type f -perm /222 -print 2>/dev/null | while read -r file; do
    true 2>/dev/null >>"$file" && echo "BREACH: $file"
done
echo held
