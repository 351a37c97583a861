// SPDX-License-Identifier: Apache-2.0
// Counts pseudo-random words, for bench/programs.
import java.util.TreeMap;

public class Words {
    public static void main(String[] args) {
        var counts = new TreeMap<String, Integer>();
        int x = 1;
        for (int i = 0; i < 200000; i++) {
            x = x * 1664525 + 1013904223;
            counts.merge("word" + (x >>> 22), 1, Integer::sum);
        }
        counts.entrySet().stream().sorted((a, b) -> b.getValue() - a.getValue()).limit(5)
            .forEach(e -> System.out.println(e.getKey() + " " + e.getValue()));
    }
}
