# SPDX-License-Identifier: Apache-2.0
"""The subcommands of pe-bench, one module each. pe_bench/main.py says what a module has."""
