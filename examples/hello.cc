#include <iostream>
#include <ranges>

int main()
{
    for (int i : std::views::iota(1, 6) | std::views::transform([](int n) { return n * n; }))
        std::cout << i << ' ';
    std::cout << "\nHello from C++\n";
}
