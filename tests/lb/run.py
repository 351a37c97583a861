#!/usr/bin/env python3
"""Drives a real pe-lb from outside, with stand-ins for workers. Arguments: parts of names of tests to run."""
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import harness
import test_requests
import test_jobs
import test_hosts
import test_faults
import test_pipelining
import test_cache
import test_protection
import test_piston
import test_operation
import test_kills
import test_deploy
import test_playground
import test_status

if __name__ == "__main__":
    sys.exit(harness.run_tests(sys.argv[1:]))
