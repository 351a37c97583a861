#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Much more on stderr than is kept.
#
# result: exited 0
# stdout: end
# truncated: stderr
head -c 5000000 /dev/zero >&2
echo end
