# SPDX-License-Identifier: Apache-2.0
"""The hostile programs: what each of them tries, and what has to come of it.

A program is a C program or a shell script in `programs/SUBJECT/NAME`. Its first comment, below the line
with the license, has two paragraphs: the idea, and lines "key: value" with the job and its expected
result. A line that begins with no key continues the one above.

    job: {"timeout_ms": 1500}    more fields of the job, as JSON (docs/api.md)
    arguments: ["a", "b"]        arguments of the program, as JSON
    command: ["/bin/x"]          the command of the job, if it is not the program, as JSON
    stages: one two              the job runs the program once for each word, as stages (proto/stages.h)
    stage limits: {"wall": 700}  limits of each stage, as JSON (tests/fixtures/stages.py)
    cases: one=right two=wrong   the job runs the program once for each word, as cases with 64 MiB (docs/cases.md)
                                 that are right if they print "held"; behind the word stand the verdicts that the
                                 case may have. The input of a case is "input of WORD". If the word begins with
                                 "checked-", the program itself, with the argument "check", is the checker, and
                                 "secret answer" is the answer
    engines: each                `make test` runs it with every software engine, not only with one

    result: exited 0             the status of the job; perhaps its exit code or signal. Several are
                                 divided by " or "
    stdout: text                 a line of stdout; all lines together are everything. Of stages, it is
                                 that of the last
    stdout has: text             it is somewhere in stdout
    stdout bytes: 100            the size of stdout
    truncated: stdout stderr     the streams that were cut
    files: 3                     how many output files the result has; `folders` and `dropped` likewise
    file names: ["a"]            the names of the files, as JSON
    dropped names: fifo link     the names of what is not in the result, in byte order
    usage: cpu_ms 400            the least value of a member of `usage`; cpu_ms is user_ms + system_ms
    ends: exited wall            how the stages ended

What is not mentioned is not compared, except that no program may print "BREACH", which means that
something succeeded that has to fail, and no stream may be cut.
"""
import functools
import json
import os
import re

from fixtures import engine, stages
from fixtures.paths import BUILD

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")
AS_JSON = ("job", "arguments", "command", "stage limits", "file names")
NUMBERS = ("stdout bytes", "files", "folders", "dropped")
KEYS = {
    *AS_JSON,
    *NUMBERS,
    "stages",
    "cases",
    "engines",
    "result",
    "stdout",
    "stdout has",
    "dropped names",
    "truncated",
    "usage",
    "ends",
}
# Time limits are made for User Mode Linux. An emulated VM gets more time.
SLOWNESS = 1 if engine.has("uml") else 3
STATUSES = {"exited", "signaled", "timeout", "oom", "output_limit", "stream_limit"}


def first_comment(text):
    """The lines of the first comment below the license, without the signs of a comment."""
    lines = text.split("\n")
    if lines[0].startswith("#!"):
        found = []
        for line in lines[2:]:
            if not line.startswith("#"):
                break
            found.append(line[2:])
        return found
    comment = re.match(r"/\*(.*?)\*/", "\n".join(lines[1:]), re.S)
    return [re.sub(r"^ \* ?|^ ", "", line).rstrip() for line in comment[1].split("\n")]


class Program:
    """A hostile program. `expected` has the values of its comment: lists of lines for `stdout` and
    `stdout has`, numbers, objects of JSON, and otherwise text."""

    def __init__(self, path):
        self.path = path
        self.name, self.suffix = os.path.splitext(os.path.relpath(path, FOLDER))
        with open(path, encoding="utf-8") as file:
            text = file.read()
        idea, _, facts = "\n".join(first_comment(text)).partition("\n\n")
        self.idea = " ".join(idea.split())
        self.expected = {}
        for fact in self.facts(facts):
            key, _, value = fact.partition(":")
            self.add(key, value.strip())

    @staticmethod
    def facts(text):
        """The lines, with those that continue one joined to it: they do not begin with a key."""
        joined = []
        for line in text.strip().split("\n"):
            if joined and line.partition(":")[0] not in KEYS:
                joined[-1] += " " + line
            else:
                joined.append(line)
        return joined

    def add(self, key, value):
        assert key in KEYS, f"{self.path}: '{key}' is not a key"
        if key in ("stdout", "stdout has"):
            self.expected.setdefault(key, []).append(value)
            return
        assert key not in self.expected, f"{self.path}: two lines '{key}'"
        if key in AS_JSON:
            value = json.loads(value)
        elif key in NUMBERS:
            value = int(value)
        self.expected[key] = value

    def __repr__(self):
        return self.name

    @functools.cached_property
    def content(self):
        """The bytes of the program as a job gets it. `make test` compiles it."""
        path = self.path if self.suffix == ".sh" else os.path.join(BUILD, "hostile", self.name)
        with open(path, "rb") as file:
            return file.read()

    def command(self):
        expected = self.expected
        if "stages" in expected:
            limits = {name: SLOWNESS * value for name, value in expected.get("stage limits", {}).items()}
            return stages.plan(*((["./program", word], limits) for word in expected["stages"].split()))
        return expected.get("command", ["./program", *expected.get("arguments", [])])

    def cases(self):
        """[(word, verdicts)]"""
        pairs = [case.split("=") for case in self.expected["cases"].split()]
        return [(word, verdicts.split("|")) for word, verdicts in pairs]

    def case_fields(self):
        """The fields of a job with cases."""
        checked = {"checker": ["/input/program", "check"], "text": "secret answer"}
        stage = {"cmd": ["./program"], "timeout_ms": 20000 * SLOWNESS, "memory_mib": 64}
        cases = [
            {
                "args": [word],
                "stdin": f"input of {word}",
                "expect": checked if word.startswith("checked-") else "held",
            }
            for word, _ in self.cases()
        ]
        return {"stages": [stage], "cases": cases, "timeout_ms": 300000}

    def run(self, service):
        """Run the program as a job, and compare the result with what is expected."""
        fields = dict(self.expected.get("job", {}))
        if "cases" in self.expected:
            job = service.run(files=[("program", self.content)], **fields, **self.case_fields())
            self.compare(job)
            self.compare_cases(job.fields["cases"])
            return
        if "timeout_ms" in fields:
            fields["timeout_ms"] *= SLOWNESS
        job = service.run(self.command(), files=[("program", self.content)], **fields)
        self.compare(job)

    # ---- what came of it ----

    def compare(self, job):
        seen = self.seen(job)
        wanted = {key: self.expected[key] for key in seen if key in self.expected}
        assert {key: seen[key] for key in wanted} == wanted, job
        assert self.status_is_right(job), job
        stdout = self.stdout(job)
        assert b"BREACH" not in stdout + job.stderr, job
        for text in self.expected.get("stdout has", ()):
            assert text.encode() in stdout, job
        truncated = [name for name in ("stdout", "stderr") if job.fields[f"{name}_truncated"]]
        assert truncated == self.expected.get("truncated", "").split(), job
        if "usage" in self.expected:
            name, least = self.expected["usage"].split()
            usage = {**job.usage, "cpu_ms": job.usage["user_ms"] + job.usage["system_ms"]}
            assert usage[name] >= int(least), job.usage

    def compare_cases(self, cases):
        for (word, verdicts), case in zip(self.cases(), cases, strict=True):
            assert case["verdict"] in verdicts, (word, case)
            assert "BREACH" not in json.dumps(case), (word, case)

    def stdout(self, job):
        if "stages" not in self.expected:
            return job.stdout
        return stages.read(job.stdout)[-1][1]

    def seen(self, job):
        """What can be compared for equality."""
        found = {
            "stdout bytes": len(job.stdout),
            "files": len(job.files),
            "folders": len(job.folders),
            "dropped": job.outputs_dropped,
            "dropped names": " ".join(entry["name"] for entry in job.dropped),
        }
        if "stdout has" not in self.expected:
            lines = self.stdout(job).decode(errors="replace").split("\n")
            found["stdout"] = lines[:-1] if lines[-1] == "" and lines != [""] else lines
        if "file names" in self.expected:
            assert sorted(job.files) == sorted(self.expected["file names"]), job
        if "ends" in self.expected:
            found["ends"] = " ".join(stage[3]["end"] for stage in stages.read(job.stdout))
        return found

    def status_is_right(self, job):
        for wanted in self.expected["result"].split(" or "):
            status, *number = wanted.split()
            ended = job.signal if status == "signaled" else job.exit_code
            if job.status == status and (not number or ended == int(number[0])):
                return True
        return False


def find_programs():
    """All programs, in the order of their names."""
    found = []
    for folder, _, files in os.walk(FOLDER):
        found += [Program(os.path.join(folder, name)) for name in files if name.endswith((".c", ".sh"))]
    return sorted(found, key=lambda program: program.name)
