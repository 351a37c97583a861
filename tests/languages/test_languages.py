# SPDX-License-Identifier: Apache-2.0
"""Programs in images that are built on demand: `make languages`. Each image runs its own example and
a program that reads input, uses a library and leaves a file."""
import json
import os

import pytest

from fixtures.paths import IMAGES, TOP

COUNT = b"pear\napple\npear\n"

# Reads words, counts them, prints them in order, and exits with 3.
PROGRAMS = {
    "lua:5.4": (
        "count.lua",
        """local counts, names = {}, {}
for word in io.lines() do
    if not counts[word] then table.insert(names, word) end
    counts[word] = (counts[word] or 0) + 1
end
table.sort(names)
for _, name in ipairs(names) do print(name, counts[name]) end
local file = assert(io.open("/output/sum", "w"))
file:write(string.format("%d", #names))
file:close()
os.exit(3)
""",
    ),
    "perl:5": (
        "count.pl",
        """use v5.36;
use List::Util qw(uniq);
my %counts;
chomp(my @words = <STDIN>);
$counts{$_}++ for @words;
say "$_\\t$counts{$_}" for sort keys %counts;
open my $file, '>', '/output/sum' or die;
print $file scalar uniq @words;
close $file;
exit 3;
""",
    ),
    "tcl:8": (
        "count.tcl",
        """while {[gets stdin word] >= 0} { incr counts($word) }
foreach name [lsort [array names counts]] { puts "$name\\t$counts($name)" }
set file [open /output/sum w]
puts -nonewline $file [array size counts]
close $file
exit 3
""",
    ),
    "cpp:14": (
        "count.cc",
        """#include <fstream>
#include <iostream>
#include <map>
#include <string>
int main() {
    std::map<std::string, int> counts;
    for (std::string word; std::getline(std::cin, word);) counts[word]++;
    for (auto &[name, count] : counts) std::cout << name << '\\t' << count << '\\n';
    std::ofstream("/output/sum") << counts.size();
    return 3;
}
""",
    ),
}
ASSEMBLY = """section .data
text: db "pear", 10
section .text
global _start
_start:
    mov eax, 1
    mov edi, 1
    mov rsi, text
    mov edx, 5
    syscall
    mov eax, 60
    mov edi, 3
    syscall
"""


@pytest.mark.parametrize("image", sorted(PROGRAMS))
def test_a_program_reads_counts_and_writes(service, image):
    file, text = PROGRAMS[image]
    job = service.run(image=image, files=[(file, text), ("words", COUNT)], stdin="words")
    assert job.stdout == b"apple\t1\npear\t2\n", job
    assert (job.status, job.exit_code, job.files) == ("exited", 3, {"sum": b"2"}), job


def test_an_assembler_program_runs(service):
    job = service.run(image="nasm:2", files=[("exit.asm", ASSEMBLY)])
    assert (job.stdout, job.exit_code) == (b"pear\n", 3), job


@pytest.mark.parametrize("image", sorted([*PROGRAMS, "nasm:2"]))
def test_the_example_of_the_catalog_says_hello(service, image):
    with open(f"{TOP}/image/recipes/{image.replace(':', '-')}.json", encoding="utf-8") as file:
        example = json.load(file)["examples"][0]
    assert os.path.exists(f"{IMAGES}/names/{image}.json"), "`make languages` builds the image"
    job = service.run(image=image, files=[(example["file"], example["text"])])
    assert job.stdout.startswith(b"Hello from "), job
    assert (job.exit_code, job.stderr) == (0, b""), job
