import * as fs from "fs";

const counts = new Map<string, number>();
for (const word of fs.readFileSync(0, "utf8").trim().split("\n") as string[]) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
}
for (const name of [...counts.keys()].sort()) console.log(`${name}\t${counts.get(name)}`);
fs.writeFileSync("/output/sum", String(counts.size));
process.exit(3);
