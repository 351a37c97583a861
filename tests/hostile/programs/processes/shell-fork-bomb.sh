#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The fork bomb that everybody knows. The shell ends when it cannot fork, so the status is not certain.
#
# job: {"timeout_ms": 2000}
# result: timeout or exited or signaled or oom
# stdout has: go
echo go
f() { f | f & f; }
f
