# SPDX-License-Identifier: Apache-2.0
import sys

total = 0
for word in sys.stdin.read().split():
    total = int(word)  # the last one, not the sum
print(total)
