#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Twenty output files, more together than a result may have. Whole files are left out, none is cut.
#
# engines: each
# result: output_limit 0
# files: 16
# dropped: 4
cd /output
i=0
while [ $i -lt 20 ]; do
    head -c 1048576 /dev/zero >f$i
    i=$((i + 1))
done
