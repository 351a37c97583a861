# SPDX-License-Identifier: Apache-2.0
all=x
while :; do
    all=$all$all
done
