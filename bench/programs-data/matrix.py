# SPDX-License-Identifier: Apache-2.0
# Multiplies matrices and counts digits, for bench/programs.
import numpy

a = numpy.arange(40000, dtype=float).reshape(200, 200) % 17
b = a.T @ a
print(f"{numpy.trace(b):.1f} {numpy.linalg.norm(b):.4f}")
words = sum(len(str(i)) for i in range(200000))
print(words)
