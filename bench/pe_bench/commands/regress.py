# SPDX-License-Identifier: Apache-2.0
"""Two commits, built and measured in turns: has anything become slower?

Both are built in build/bench-commits, with the kernels, packages and images of this build. Then each round runs
each job once with each commit, in a random order, in a VM that was warm before. A change of the machine's load
therefore meets both. The results are compared by a test of significance; with --fail-if-slower the exit status is
1 if a job has become slower by more than that.
"""
import contextlib
import json
import os
import subprocess
import sys

from .. import commits, comparison, tables
from ..errors import BenchError
from .show import judge

HELP = "build two commits and compare them, interleaved"
DESCRIPTION = __doc__
ROUNDS, QUICK_ROUNDS = 30, 3
EOF_S, PATIENCE_S = 5, 30  # until a side has ended its job and its service
HELLO = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
JOBS = {  # by the image that the VM is warm for
    "busybox:1.35": ("echo hi", {"cmd": ["echo", "hi"], "files": []}),
    "gcc:14": (
        "gcc hello",
        {"cmd": ["sh", "-c", "gcc -O1 main.c -o /tmp/a.out && exec /tmp/a.out"], "files": [["main.c", HELLO]]},
    ),
}
SIDE = os.path.join(os.path.dirname(commits.__file__), "regress_side.py")
JOB, MADE = "job in a warm VM", "making a warm VM"


def add_arguments(parser):
    parser.add_argument("base", metavar="BASE", help="the commit to compare with")
    parser.add_argument("head", nargs="?", default="HEAD", metavar="COMMIT", help="(default: HEAD)")
    parser.add_argument("--engine", help="of both services (default: the worker chooses)")
    parser.add_argument("--rounds", type=int, help=f"(default: {ROUNDS})")
    parser.add_argument("--fail-if-slower", metavar="P%", help="exit with 1 if a job is slower by more")


class Side:
    """A service of one build, with a VM that is warm for one image."""

    def __init__(self, build, image, engine):
        self.job = JOBS[image][1]
        self.process = subprocess.Popen(
            [sys.executable, "-B", SIDE, image, *([engine] if engine else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PE_BUILD": build, "PE_HOME": build},
            start_new_session=True,
        )

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            _, errors = self.process.communicate()
            raise BenchError(f"the service of {self.process.args[3]} ended: {errors.strip()[-600:]}")
        return json.loads(line)

    def run(self):
        self.process.stdin.write(json.dumps(self.job) + "\n")
        self.process.stdin.flush()
        return self.answer()

    def close(self):
        """The end of its input ends it, with its service, and so does a signal while it starts or has a job. If
        that takes too long, its service ends with everything else that the run has started."""
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.process.stdin.close()
        for patience_s, end in (EOF_S, self.process.terminate), (PATIENCE_S, self.process.kill):
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                end()
        self.process.wait()


def start(run, builds):
    """The sides by (commit's name, image), all with a warm VM or about to have one."""
    sides = {}
    for name, build in builds.items():
        for image in JOBS:
            sides[name, image] = Side(build, image, run.options.engine)
            run.cleanup.callback(sides[name, image].close)
    for side in sides.values():
        side.answer()
    return sides


def label_of(name, commit):
    """A name such as HEAD is that of another commit later."""
    return f"{name} ({commit[:12]})"


def check_commits(series, hashes):
    """Whether the series of a run that is continued are about the same commits."""
    labels = {label_of(*one) for one in hashes.items()}
    for other in sorted({one["labels"]["commit"] for one in series} - labels):
        raise BenchError(f"cannot continue the run: it has measured {other}, and now there are {', '.join(labels)}")


def measure(run, sides, name, commit, image):
    answer = sides[name, image].run()
    labels = {"commit": label_of(name, commit), "job": JOBS[image][0]}
    if "failure" in answer:
        run.fail(JOB, "ms", answer["failure"], **labels)
        return
    run.add(JOB, "ms", round(answer["ms"], 3), **labels)
    if answer["made_ms"] is not None:
        run.add(MADE, "ms", answer["made_ms"], **labels)


def run(run):
    options = run.options
    hashes = {name: commits.resolve(name) for name in dict.fromkeys((options.base, options.head))}
    if len(set(hashes.values())) < 2:
        raise BenchError(f"{options.base} and {options.head} are the same commit")
    check_commits(run.all_series(), hashes)
    builds = {name: commits.make(commit, run.progress.say) for name, commit in hashes.items()}
    sides = start(run, builds)
    rounds = options.rounds or (QUICK_ROUNDS if run.quick else ROUNDS)
    for step in run.todo([f"round {number + 1}" for number in range(rounds)]):
        with run.step(step):
            for image in JOBS:
                for name in run.shuffled(hashes):
                    measure(run, sides, name, hashes[name], image)
    compared = comparison.by_label([(run.path, run.data)], "commit", first=label_of(options.base, hashes[options.base]))
    print("\n".join([*tables.align(comparison.rows_of_cells(compared)), "", comparison.EXPLANATION, ""]))
    run.answer(sentence(compared, hashes))
    return judge(compared, options.fail_if_slower) if options.fail_if_slower else 0


def sentence(compared, hashes):
    """Which jobs have become significantly slower or faster."""
    texts = []
    for row in compared.rows:
        for column in compared.columns[1:]:
            difference = compared.difference(row, column)
            if difference and difference.is_significant:
                what = f"{row.name} ({dict(row.labels)['job']})"
                texts.append(f"{what} changed by {difference.change * 100:+.1f} %")
    names = " and ".join(label_of(*one) for one in hashes.items())
    return f"Between {names}, {', '.join(texts) if texts else 'no significant difference was measured'}."
