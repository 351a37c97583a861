# SPDX-License-Identifier: Apache-2.0
import collections
import sys

counts = collections.Counter(sys.stdin.read().split())
for name, count in sorted(counts.items()):
    print(name, count, sep="\t")
with open("/output/sum", "w") as file:
    file.write(str(len(counts)))
sys.exit(3)
