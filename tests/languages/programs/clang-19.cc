#include <fstream>
#include <iostream>
#include <map>
#include <string>
int main() {
    std::map<std::string, int> counts;
    for (std::string word; std::getline(std::cin, word);) counts[word]++;
    for (auto &[name, count] : counts) std::cout << name << '\t' << count << '\n';
    std::ofstream("/output/sum") << counts.size();
    return 3;
}
