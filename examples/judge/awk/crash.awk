# SPDX-License-Identifier: Apache-2.0
BEGIN { exit 3 }
