.mode tabs
.headers off
CREATE TABLE words(word);
.import words words
SELECT word, count(*) FROM words GROUP BY word ORDER BY word;
.output /output/sum
SELECT count(DISTINCT word) AS n FROM words;
.output
.exit 3
