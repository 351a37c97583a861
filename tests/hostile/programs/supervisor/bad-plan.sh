#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Ask pe-shim for stages as the worker does for Piston, with a plan that is none.
#
# command: ["/dev/pe-shim", "stages", "", "one", "99999999999", "x"]
# result: exited 126
# stdout:
