# SPDX-License-Identifier: Apache-2.0
# Fits a line and multiplies matrices, for bench/programs.
x <- seq(0, 10, length.out = 1000)
y <- 3 * x + 2 + sin(x)
print(round(coef(lm(y ~ x)), 6))
m <- matrix(seq_len(250000) %% 17, 500)
cat(sum(crossprod(m)), "\n")
