#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Symbolic links to files, folders, themselves and each other, FIFOs, and links out of the folder. They
# are not followed, but counted and named.
#
# engines: each
# result: exited 0
# files: 1
# dropped: 8
# dropped names: a b fifo here link loop up zero
cd /output
ln -s /etc/passwd link
ln -s .. up
ln -s . here
ln -s loop loop
ln -s b a
ln -s a b
ln -s /proc/self/root/dev/zero zero
mkfifo fifo
echo real >file
