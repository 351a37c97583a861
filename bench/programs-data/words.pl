# SPDX-License-Identifier: Apache-2.0
# Counts pseudo-random words, for bench/programs.
use strict;
use warnings;
my (%counts, $x);
$x = 1;
for (1 .. 200000) {
    $x = ($x * 1664525 + 1013904223) & 0xffffffff;
    $counts{"word" . ($x >> 22)}++;
}
my @sorted = sort { $counts{$b} <=> $counts{$a} || $a cmp $b } keys %counts;
print "$_ $counts{$_}\n" for @sorted[0 .. 4];
