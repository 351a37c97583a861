# SPDX-License-Identifier: Apache-2.0
"""GET /connect, as Piston's own command line client uses it ("piston run -t"). That client is not on npm, so
connect.mjs replays its messages with the WebSocket library that it uses (ws, unchanged)."""
import json
import signal

import pytest

from fixtures.piston_script import PistonScript


class Client(PistonScript):
    """What a user of "piston run -t" does and sees."""

    def __init__(self, piston, language, name, text, *args, run_timeout=15000):
        init = {
            "language": language,
            "version": "*",
            "files": [{"name": name, "content": text, "encoding": "utf8"}],
            "args": list(args),
            "compile_timeout": 44000,
            "run_timeout": run_timeout,
        }
        super().__init__("connect.mjs", piston.url, json.dumps(init))
        self.printed = {"stdout": "", "stderr": ""}

    def next(self):
        """The next message that is no output."""
        while (message := self.next_line()).get("type") == "data":
            self.printed[message["stream"]] += message["data"]
        return message

    def wait_for(self, text, stream="stdout"):
        while text not in self.printed[stream]:
            message = self.next_line()
            assert message.get("type") == "data", message
            self.printed[message["stream"]] += message["data"]


def stage(name):
    return {"type": "stage", "stage": name}


def ended(name, code=0, signal_name=None):
    return {"type": "exit", "stage": name, "code": code, "signal": signal_name}


COMPLETED = {"closed": 4999, "reason": "Job Completed"}


@pytest.mark.each_engine
def test_a_conversation_with_a_compiled_program(piston):
    source = """#include <stdio.h>
int main(int argc, char **argv)
{
    char name[64];
    printf("%s: name? ", argv[1]);
    fflush(stdout);
    if (!fgets(name, sizeof name, stdin)) return 1;
    fprintf(stderr, "hello, %s", name);
    return 7;
}
"""
    with Client(piston, "c", "hello.c", source, "an argument") as client:
        runtime = client.next()
        assert (runtime["type"], runtime["language"]) == ("runtime", "c"), runtime
        assert client.next() == stage("compile")
        assert client.next() == ended("compile")
        assert client.next() == stage("run")
        client.wait_for("an argument: name? ")
        client.type("Ada\n")
        assert client.next() == ended("run", 7)
        assert client.next() == COMPLETED
        assert client.printed == {"stdout": "an argument: name? ", "stderr": "hello, Ada\n"}


def test_an_interpreted_program_has_one_stage_and_gets_signals(piston):
    source = """import signal, sys
def on_signal(number, frame):
    print("got", signal.Signals(number).name, flush=True)
signal.signal(signal.SIGUSR1, on_signal)
print("ready", flush=True)
for line in sys.stdin:
    print("read", line.strip(), flush=True)
    if line == "end\\n":
        break
"""
    with Client(piston, "python", "main.py", source) as client:
        assert client.next()["type"] == "runtime"
        assert client.next() == stage("run")
        client.wait_for("ready\n")
        client.type("ünïcode\n")
        client.wait_for("read ünïcode\n")
        client.process.send_signal(signal.SIGUSR1)
        client.wait_for("got SIGUSR1\n")
        client.type("end\n")
        assert client.next() == ended("run")
        assert client.next() == COMPLETED
        client.process.send_signal(signal.SIGINT)


def test_errors_of_the_compiler_are_seen_and_the_program_does_not_run(piston):
    with Client(piston, "c", "wrong.c", "int main(void) { return nothing; }\n") as client:
        assert client.next()["type"] == "runtime"
        assert client.next() == stage("compile")
        assert client.next() == ended("compile", 1)
        assert client.next() == COMPLETED
        assert "nothing" in client.printed["stderr"]


def test_a_program_that_waits_for_input_too_long_is_ended_by_its_limit(piston):
    with Client(piston, "python", "main.py", "print(input('> '))", run_timeout=1000) as client:
        assert client.next()["type"] == "runtime"
        assert client.next() == stage("run")
        assert client.next() == ended("run", None, "SIGKILL")
        assert client.next() == COMPLETED


def test_an_unknown_language_is_an_error(piston):
    with Client(piston, "brainfork", "x", "x") as client:
        assert client.next() == {"type": "error", "message": "brainfork-* runtime is unknown"}
        assert client.next() == {"closed": 4002, "reason": "Notified Error"}
