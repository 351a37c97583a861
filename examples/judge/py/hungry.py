# SPDX-License-Identifier: Apache-2.0
everything = b"x" * (1 << 29)
print(len(everything))
