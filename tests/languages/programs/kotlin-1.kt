import java.io.File
import kotlin.system.exitProcess

fun main() {
    val counts = generateSequence(::readLine).groupingBy { it }.eachCount().toSortedMap()
    for ((name, count) in counts) println("$name\t$count")
    File("/output/sum").writeText("${counts.size}")
    exitProcess(3)
}
