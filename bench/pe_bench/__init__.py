# SPDX-License-Identifier: Apache-2.0
"""The modules of pe-bench. Each subcommand is a module in `commands`. What they have in common:

  main      the command line, interruptions, cleaning up
  run       one run of a subcommand: its steps, its random numbers, its results, progress
  results   result files: writing, reading, the schema
  machine   facts about the machine
  processes memory, CPU time and children of processes
  samples   percentiles, spread, comparison of two sets of samples
"""
