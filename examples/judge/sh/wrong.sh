# SPDX-License-Identifier: Apache-2.0
sum=0
while read -r line; do
    for number in $line; do
        sum=$number # the last one, not the sum
    done
done
echo "$sum"
