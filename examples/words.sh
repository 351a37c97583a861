# The most frequent words of a text.
cat <<'TEXT' | tr -cs 'A-Za-z' '\n' | tr 'A-Z' 'a-z' | grep . | sort | uniq -c | sort -k1,1nr -k2 | head -n 5
The cat sat on the mat. The dog sat on the cat. On and on it went.
TEXT
