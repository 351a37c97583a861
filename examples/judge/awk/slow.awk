# SPDX-License-Identifier: Apache-2.0
BEGIN { for (;;) sum += 1 }
