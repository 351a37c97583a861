# SPDX-License-Identifier: Apache-2.0
"""The C programs of this suite, compiled for a job: static, so that they need nothing of an image."""
import functools
import os
import subprocess
import tempfile

FOLDER = os.path.dirname(os.path.abspath(__file__))


@functools.cache
def program(name):
    """The bytes of tests/uml/NAME.c, compiled."""
    with tempfile.TemporaryDirectory(prefix="pe-test-uml-") as folder:
        output = os.path.join(folder, name)
        source = os.path.join(FOLDER, name + ".c")
        command = ["gcc", "-O1", "-Wall", "-Werror", "-static", "-pthread", "-s", "-o", output, source]
        subprocess.run(command, check=True)
        with open(output, "rb") as file:
            return file.read()
