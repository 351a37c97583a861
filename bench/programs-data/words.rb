# SPDX-License-Identifier: Apache-2.0
# Counts pseudo-random words, for bench/programs.
counts = Hash.new(0)
x = 1
200_000.times do
  x = (x * 1664525 + 1013904223) & 0xffffffff
  counts["word#{x >> 22}"] += 1
end
counts.sort_by { |word, n| [-n, word] }.first(5).each { |word, n| puts "#{word} #{n}" }
