// SPDX-License-Identifier: Apache-2.0
// Counts pseudo-random words, for bench/programs.
const counts = new Map();
let x = 1;
for (let i = 0; i < 200000; i++) {
  x = (Math.imul(x, 1664525) + 1013904223) >>> 0;
  const word = "word" + (x >>> 22);
  counts.set(word, (counts.get(word) ?? 0) + 1);
}
for (const [word, n] of [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 5)) {
  console.log(word, n);
}
