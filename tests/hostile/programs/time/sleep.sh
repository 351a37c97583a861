#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Outlive the time limit. What was printed until then is kept.
#
# job: {"timeout_ms": 1500}
# engines: each
# result: timeout
# usage: wall_ms 1400
# stdout: before
echo before
sleep 100
echo after
