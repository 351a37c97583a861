# SPDX-License-Identifier: Apache-2.0
"""Interactive sessions of piston-api, a published library that uses GET /connect."""
from fixtures.piston_script import PistonScript

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


def start(piston, source, language):
    return PistonScript("session.mjs", piston.url, source, language)


def test_a_session_of_a_published_library_compiles_a_program_and_talks_with_it(piston):
    with start(piston, SUM, "c") as session:
        ready = session.next_line()
        assert ready[:2] == ["sessionReady", "c"] and ready[2].count(".") == 2
        assert session.next_line() == ["sessionStage", "compile"]
        assert session.next_line() == ["sessionCompleted", 0]  # the library says so of each stage
        assert session.next_line() == ["sessionStage", "run"]
        assert session.next_line() == ["sessionOutput", "two numbers: "]
        session.type("3\n")
        session.type("5\n")
        assert session.next_line() == ["sessionOutput", "sum: 8\n"]
        assert session.next_line() == ["sessionCompleted", 7]


def test_a_session_in_a_language_that_is_not_there_says_so(piston):
    with start(piston, "", "cobol74") as session:
        event, message = session.next_line()
        assert event == "sessionError" and "cobol74" in message
