# Counts the words of a list.
group_by(.) | map({key: .[0], value: length}) | from_entries
