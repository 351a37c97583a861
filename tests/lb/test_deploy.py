"""What deploy/ holds is what systemd and the programs understand."""
import os
import re
import shutil
import subprocess
import tempfile

from harness import PROGRAM, ROOT, equal, test

UNITS = os.path.join(ROOT, "deploy", "systemd")


@test("systemd accepts the units")
def _():
    names = sorted(name for name in os.listdir(UNITS) if name.endswith((".service", ".socket")))
    equal(names, ["pe-lb.service", "pe-lb.socket", "pe-worker.service"])
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        for name in names:
            with open(os.path.join(UNITS, name)) as source, open(os.path.join(folder, name), "w") as copy:
                copy.write(source.read().replace("/usr/bin/pe-", os.path.join(os.path.dirname(PROGRAM), "pe-")))
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", *(os.path.join(folder, name) for name in names)],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        equal((done.returncode, done.stdout), (0, ""))


@test("every option that a unit or the operations page names is one of the program's")
def _():
    texts = []
    for name in ("deploy/systemd/pe-lb.service", "deploy/systemd/pe-worker.service", "docs/operations.md"):
        with open(os.path.join(ROOT, name)) as file:
            texts.append(file.read())
    known = set()
    for program in "pe-lb", "pe-worker":
        path = shutil.which(program, path=os.path.dirname(PROGRAM))
        known |= set(re.findall(r"--[a-z][a-z0-9-]+", subprocess.check_output([path, "--help"], text=True)))
    for text in texts:
        for line in text.splitlines():
            if "pe-lb" in line or "pe-worker" in line or "OPTIONS" in line:
                for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", line):
                    equal(option in known | {"--reload", "--now"}, True, f"{option} in: {line}")
