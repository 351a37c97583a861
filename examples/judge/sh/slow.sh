# SPDX-License-Identifier: Apache-2.0
sum=0
while :; do
    sum=$((sum + 1))
done
