#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every device in /dev is one that a program needs.
#
# result: exited 0
# stdout: held
find /dev -type b -o -type c | while read -r device; do
    case $device in
    /dev/null | /dev/zero | /dev/full | /dev/random | /dev/urandom | /dev/tty | /dev/ptmx | /dev/pts/ptmx) ;;
    *) echo "BREACH: $device" ;;
    esac
done
echo held
