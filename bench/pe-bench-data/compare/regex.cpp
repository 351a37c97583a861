// SPDX-License-Identifier: Apache-2.0
// The header <regex> is one of those that take a compiler longest.
#include <iostream>
#include <regex>
#include <string>

int main()
{
    const std::string text = "alpha=1, beta=22, gamma=333";
    const std::regex pair("([a-z]+)=([0-9]+)");
    for (std::sregex_iterator match(text.begin(), text.end(), pair), end; match != end; ++match)
        std::cout << (*match)[1] << " is " << (*match)[2] << '\n';
}
