<?php
$counts = array_count_values(file("php://stdin", FILE_IGNORE_NEW_LINES));
ksort($counts);
foreach ($counts as $name => $count) echo mb_substr($name, 0), "\t", $count, "\n";
file_put_contents("/output/sum", count($counts));
exit(3);
