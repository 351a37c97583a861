// SPDX-License-Identifier: Apache-2.0
const fs = require("fs");
const counts = new Map();
for (const word of fs.readFileSync(0, "utf8").trim().split("\n")) {
    counts.set(word, (counts.get(word) ?? 0) + 1);
}
for (const name of [...counts.keys()].sort()) console.log(`${name}\t${counts.get(name)}`);
fs.writeFileSync("/output/sum", String(counts.size));
process.exit(3);
