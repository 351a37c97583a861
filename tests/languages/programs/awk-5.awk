{ counts[$0]++ }
END {
    n = asorti(counts, names)
    for (i = 1; i <= n; i++) print names[i] "\t" counts[names[i]]
    printf "%d", n >"/output/sum"
    exit 3
}
