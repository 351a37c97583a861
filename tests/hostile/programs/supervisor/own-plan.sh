#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ask pe-shim for stages with a plan of the program's own, that wants PID 1 to remove a file of the system and
# has the greatest limits.
#
# command: ["/dev/pe-shim", "stages", "/dev/null", "one", "300000", "300000", "9223372036854775807", "0", "4000000000", "0", "0", "1", "true"]
# result: exited 0
# stdout has: end=exited
