#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Output without end, until the time limit.
#
# job: {"timeout_ms": 2000}
# engines: each
# result: timeout
# stdout bytes: 1048576
# truncated: stdout
yes
