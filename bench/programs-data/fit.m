# SPDX-License-Identifier: Apache-2.0
# Fits a line and multiplies matrices, for bench/programs.
x = linspace (0, 10, 1000)';
y = 3 * x + 2 + sin (x);
printf ("%.6f\n", [x, ones(1000, 1)] \ y);
m = mod (reshape (1:250000, 500, 500), 17);
printf ("%d\n", sum (sum (m' * m)));
