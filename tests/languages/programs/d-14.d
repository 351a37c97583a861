import std.algorithm, std.array, std.conv, std.file, std.stdio;

int main()
{
    int[string] counts;
    foreach (word; stdin.byLineCopy)
        counts[word]++;
    foreach (name; counts.keys.sort)
        writeln(name, "\t", counts[name]);
    std.file.write("/output/sum", counts.length.to!string);
    return 3;
}
