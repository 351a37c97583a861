# SPDX-License-Identifier: Apache-2.0
"""The suite of pe-init (tests/guest), with VMs of User Mode Linux."""
from guest.test_guest import *  # noqa: F403
