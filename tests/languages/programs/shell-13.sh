declare -A counts
while read -r word; do counts[$word]=$((${counts[$word]:-0} + 1)); done
for name in "${!counts[@]}"; do printf '%s\t%d\n' "$name" "${counts[$name]}"; done | sort
printf '%d' "${#counts[@]}" >/output/sum
exit 3
