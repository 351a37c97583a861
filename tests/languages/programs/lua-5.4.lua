local counts, names = {}, {}
for word in io.lines() do
    if not counts[word] then table.insert(names, word) end
    counts[word] = (counts[word] or 0) + 1
end
table.sort(names)
for _, name in ipairs(names) do print(name, counts[name]) end
local file = assert(io.open("/output/sum", "w"))
file:write(string.format("%d", #names))
file:close()
os.exit(3)
