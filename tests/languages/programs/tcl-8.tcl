while {[gets stdin word] >= 0} { incr counts($word) }
foreach name [lsort [array names counts]] { puts "$name\t$counts($name)" }
set file [open /output/sum w]
puts -nonewline $file [array size counts]
close $file
exit 3
