# SPDX-License-Identifier: Apache-2.0
# Plots three curves, for bench/programs.
set terminal svg size 800,600
set output "curves.svg"
set samples 2000
plot sin(x), cos(3 * x) / (1 + x**2), besj0(x)
