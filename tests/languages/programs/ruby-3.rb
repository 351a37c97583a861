counts = STDIN.each_line(chomp: true).tally
counts.sort.each { |name, count| puts "#{name}\t#{count}" }
File.write("/output/sum", counts.size)
exit 3
