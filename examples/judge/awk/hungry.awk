# SPDX-License-Identifier: Apache-2.0
BEGIN { all = "x"; for (;;) all = all all }
