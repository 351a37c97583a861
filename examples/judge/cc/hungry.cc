// SPDX-License-Identifier: Apache-2.0
#include <list>
#include <vector>

int main()
{
    std::list<std::vector<char>> all;
    for (;;)
        all.emplace_back(1 << 20, 1);
}
