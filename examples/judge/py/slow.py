# SPDX-License-Identifier: Apache-2.0
total = 0
while True:
    total += 1
