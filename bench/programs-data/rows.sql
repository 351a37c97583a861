-- SPDX-License-Identifier: Apache-2.0
CREATE TABLE rows (id INTEGER PRIMARY KEY, word TEXT);
INSERT INTO rows WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50000) SELECT i, 'word' || (i * 7919 % 1009) FROM n;
CREATE INDEX words ON rows (word);
SELECT word, count(*) AS times FROM rows GROUP BY word ORDER BY times DESC, word LIMIT 5;
DROP TABLE rows;
