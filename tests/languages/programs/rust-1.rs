use std::collections::BTreeMap;

fn main() -> std::io::Result<()> {
    let mut counts = BTreeMap::new();
    for word in std::io::stdin().lines() {
        *counts.entry(word?).or_insert(0) += 1;
    }
    for (name, count) in &counts {
        println!("{name}\t{count}");
    }
    std::fs::write("/output/sum", counts.len().to_string())?;
    std::process::exit(3)
}
