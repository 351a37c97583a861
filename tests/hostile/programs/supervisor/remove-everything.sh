#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Remove everything that can be removed.
#
# engines: each
# result: exited
# files: 0

# Only in a job, whose machine is called pe: never by mistake on the machine of a developer.
[ "$(cat /proc/sys/kernel/hostname)" = pe ] || kill -9 $$
rm -rf /output/* /work/* /dev/* /bin /etc /lib /lib64 /sbin /tmp /usr /var /root /run 2>/dev/null
