# SPDX-License-Identifier: Apache-2.0
"""Options of pe-worker with values that it cannot use: it says which option, and what is allowed."""
import subprocess

import pytest

from fixtures.paths import program


def refused(*options):
    done = subprocess.run(
        [program("pe-worker"), "--server", "http://127.0.0.1:1", *options],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1, done
    return done.stderr


@pytest.mark.parametrize(
    "options, text",
    [
        (("--slots", "0"), "--slots must be between 1 and 1024"),
        (("--slots", "1025"), "--slots must be between 1 and 1024"),
        (("--slots", "2", "--ahead", "3"), "--ahead must not be larger than --slots, which is 2"),
        (("--memory", "255"), "--memory must be between 256 and 65536 MiB"),
        (("--refills", "0"), "--refills must be between 1 and"),
        (("--refills", str(1 << 32)), "--refills must be between 1 and"),
        (("--prewarm", str(1 << 32)), "--prewarm must be at most"),
        (("--templates", str((1 << 24) + 1)), "--templates must be at most 16777216 MiB"),
        (("--vmm-path", "relative"), "--vmm-path relative: the path must begin with /"),
        (("--name", "n" * 128), "is longer than 127 bytes"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_what_is_allowed(options, text):
    assert text in refused(*options)
