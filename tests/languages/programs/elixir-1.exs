counts = IO.stream(:stdio, :line) |> Enum.map(&String.trim/1) |> Enum.frequencies()
for {name, count} <- Enum.sort(counts), do: IO.puts("#{name}\t#{count}")
File.write!("/output/sum", to_string(map_size(counts)))
System.halt(3)
