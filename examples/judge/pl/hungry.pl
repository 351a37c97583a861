# SPDX-License-Identifier: Apache-2.0
use strict;

my $everything = "x" x (1 << 29);
print length($everything), "\n";
