// SPDX-License-Identifier: Apache-2.0
// Counts pseudo-random numbers in threads, for bench/programs.
use std::collections::BTreeMap;
use std::thread;

fn count(seed: u32) -> BTreeMap<u32, u32> {
    let mut counts = BTreeMap::new();
    let mut x = seed;
    for _ in 0..50_000 {
        x = x.wrapping_mul(1664525).wrapping_add(1013904223);
        *counts.entry(x >> 22).or_insert(0) += 1;
    }
    counts
}

fn main() {
    let threads: Vec<_> = (1..=4).map(|seed| thread::spawn(move || count(seed))).collect();
    for thread in threads {
        let counts = thread.join().unwrap();
        println!("{} {:?}", counts.len(), counts.iter().max_by_key(|(_, n)| **n));
    }
}
