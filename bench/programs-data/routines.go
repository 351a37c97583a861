// SPDX-License-Identifier: Apache-2.0
// Runs 1,000 goroutines, for bench/programs.
package main

import (
	"fmt"
	"sync"
)

func main() {
	results := make(chan int, 1000)
	var wait sync.WaitGroup
	for i := 0; i < 1000; i++ {
		wait.Add(1)
		go func(n int) {
			defer wait.Done()
			sum := 0
			for k := 0; k < 1000; k++ {
				sum += n * k % 7
			}
			results <- sum
		}(i)
	}
	wait.Wait()
	close(results)
	total := 0
	for sum := range results {
		total += sum
	}
	fmt.Println("total", total)
}
