// SPDX-License-Identifier: Apache-2.0
#include <iostream>

int main()
{
    long number = 0, sum = 0;
    while (std::cin >> number)
        sum += number;
    std::cout << sum << "\n";
}
