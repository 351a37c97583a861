words = {};
while ischar(line = fgetl(stdin))
  words{end + 1} = line;
end
[names, ~, index] = unique(words);
counts = accumarray(index(:), 1);
for i = 1:numel(names)
  printf("%s\t%d\n", names{i}, counts(i));
end
file = fopen("/output/sum", "w");
fprintf(file, "%d", numel(names));
fclose(file);
exit(3);
