<?php
// SPDX-License-Identifier: Apache-2.0
// Counts pseudo-random words, for bench/programs.
$counts = [];
$x = 1;
for ($i = 0; $i < 200000; $i++) {
    $x = ($x * 1664525 + 1013904223) & 0xffffffff;
    $word = "word" . ($x >> 22);
    $counts[$word] = ($counts[$word] ?? 0) + 1;
}
ksort($counts);
arsort($counts);
foreach (array_slice($counts, 0, 5) as $word => $n) {
    echo "$word $n\n";
}
