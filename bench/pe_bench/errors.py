# SPDX-License-Identifier: Apache-2.0
"""The error of pe-bench."""


class BenchError(Exception):
    """Something that the user has to know or to change. Its text is a whole message: what failed,
    with which object, why, and what to do."""
