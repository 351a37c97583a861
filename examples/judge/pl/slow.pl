# SPDX-License-Identifier: Apache-2.0
use strict;

my $sum = 0;
$sum++ while 1;
