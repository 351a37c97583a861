# SPDX-License-Identifier: Apache-2.0
use strict;

die "a bug";
