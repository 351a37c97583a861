#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Remove everything that can be removed.
#
# engines: each
# result: exited
# files: 0
rm -rf /output/* /work/* /dev/* /bin /etc /lib /lib64 /sbin /tmp /usr /var /root /run 2>/dev/null
