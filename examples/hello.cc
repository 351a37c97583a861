#include <cstdio>
#include <vector>

int main()
{
    std::vector<int> squares;
    for (int n = 1; n <= 5; n++)
        squares.push_back(n * n);
    for (int square : squares)
        std::printf("%d ", square);
    std::puts("\nHello from C++");
}
