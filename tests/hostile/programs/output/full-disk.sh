#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Fill a file system, and go on afterwards.
#
# result: exited 0
# stdout: full
# stdout: still running
dd if=/dev/zero of=/dev/big bs=1M count=100 2>/dev/null || echo full
rm /dev/big
echo still running
