package main

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"slices"
)

func main() {
	counts := map[string]int{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		counts[lines.Text()]++
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		fmt.Printf("%s\t%d\n", name, counts[name])
	}
	if os.WriteFile("/output/sum", fmt.Append(nil, len(counts)), 0o644) == nil {
		os.Exit(3)
	}
}
