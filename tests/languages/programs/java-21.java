import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Scanner;
import java.util.TreeMap;

public class Count {
    public static void main(String[] args) throws Exception {
        var counts = new TreeMap<String, Integer>();
        new Scanner(System.in).forEachRemaining(word -> counts.merge(word, 1, Integer::sum));
        counts.forEach((name, count) -> System.out.println(name + "\t" + count));
        Files.writeString(Path.of("/output/sum"), "" + counts.size());
        System.exit(3);
    }
}
