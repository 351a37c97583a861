# SPDX-License-Identifier: Apache-2.0
"""Interactive sessions of piston-api, a published library that uses GET /connect."""
import json
import os
import subprocess

from fixtures.paths import BUILD, TOP
from fixtures.waiting import PATIENCE

SUM = """#include <stdio.h>
int main(void)
{
    int a, b;
    printf("two numbers: ");
    fflush(stdout);
    if (scanf("%d%d", &a, &b) != 2)
        return 1;
    printf("sum: %d\\n", a + b);
    return 7;
}
"""


class Session:
    def __init__(self, piston, source, language):
        self.process = subprocess.Popen(
            ["node", os.path.join(TOP, "tests/piston/session.mjs"), piston.url, source, language],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PISTON_CLIENTS": os.path.join(BUILD, "piston-clients")},
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdin.close()
        self.process.stdout.close()

    def type(self, line):
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def next(self):
        """The next event of the library, and what it says."""
        return json.loads(self.process.stdout.readline())


def test_a_session_of_a_published_library_compiles_a_program_and_talks_with_it(piston):
    with Session(piston, SUM, "c") as session:
        ready = session.next()
        assert ready[:2] == ["sessionReady", "c"] and ready[2].count(".") == 2
        assert session.next() == ["sessionStage", "compile"]
        assert session.next() == ["sessionCompleted", 0]  # the library says so of each stage
        assert session.next() == ["sessionStage", "run"]
        assert session.next() == ["sessionOutput", "two numbers: "]
        session.type("3")
        session.type("5")
        assert session.next() == ["sessionOutput", "sum: 8\n"]
        assert session.next() == ["sessionCompleted", 7]


def test_a_session_in_a_language_that_is_not_there_says_so(piston):
    with Session(piston, "", "cobol74") as session:
        event, message = session.next()
        assert event == "sessionError" and "cobol74" in message
