# SPDX-License-Identifier: Apache-2.0
use strict;

my $sum = 0;
while (<STDIN>) {
    $sum = $_ for split;    # the last one, not the sum
}
print "$sum\n";
