// SPDX-License-Identifier: Apache-2.0
// Counts pseudo-random words, for bench/programs.
#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <vector>

int main()
{
    std::map<std::string, int> counts;
    for (unsigned i = 0, x = 1; i < 200000; i++) {
        x = x * 1664525 + 1013904223;
        counts["word" + std::to_string(x >> 22)]++;
    }
    std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
    std::stable_sort(sorted.begin(), sorted.end(), [](auto &a, auto &b) { return a.second > b.second; });
    for (int i = 0; i < 5; i++)
        std::cout << sorted[i].first << ' ' << sorted[i].second << '\n';
}
