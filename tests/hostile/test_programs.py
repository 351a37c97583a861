# SPDX-License-Identifier: Apache-2.0
"""Programs that attack the service from inside their VM. catalog.py explains what they look like. Each has
the result that it announces, its VM survives, and the next job finds everything as if nothing had
happened. When all have run, nothing of them is left on the host."""
import os
import re

import pytest

from fixtures import engine
from fixtures.service import Service
from hostile.catalog import STATUSES, find_programs
from hostile.holdings import Holdings

PROGRAMS = find_programs()

# What an ordinary job sees. It must be the same before and after hostile ones.
PORTRAIT = """pwd; id; umask; hostname; ulimit -a; env | sort; cd /; ls -A . /work /input /output /tmp /dev/shm /run
    ls -l /dev | sed 's/ [A-Z][a-z][a-z] .*[0-9] / /'; cut -d ' ' -f 4- /proc/self/mountinfo; ls /proc/self/fd
    cat /proc/sys/kernel/core_pattern /proc/sys/kernel/panic /proc/sys/kernel/pid_max /proc/sys/vm/overcommit_memory
    for p in /proc/[0-9]*; do cat $p/comm; done; cat /proc/sysvipc/shm | wc -l; [ $(date +%Y) -gt 2020 ] && echo now
    head -c 1048576 /dev/zero >/output/file; echo made; rm /output/file; (exit 3); echo $?"""


def portrait(service):
    job = service.run(PORTRAIT)
    assert (job.status, job.exit_code, job.stderr) == ("exited", 0, b""), job
    return job.stdout.decode()


@pytest.fixture(scope="module")
def attacked(no_process_is_left):
    """A service whose jobs have 256 MiB, so that they use it up quickly. Nothing is left in the end."""
    with pytest.MonkeyPatch.context() as environment:
        # In a sanitized build, ASan would keep 256 MiB of memory that has been freed.
        environment.setenv("ASAN_OPTIONS", "quarantine_size_mb=1")
        service = Service(*engine.OPTIONS, "--memory", "256")
    try:
        service.portrait = portrait(service)
        before = Holdings.settled(service)
        yield service
        before.assert_same(service)
    finally:
        service.end()


def cases():
    """A test for each program. Those for each engine have the marker of tests/README.md."""
    for program in PROGRAMS:
        marks = [pytest.mark.each_engine] if program.expected.get("engines") == "each" else []
        yield pytest.param(program, id=program.name, marks=marks)


@pytest.mark.parametrize("program", cases())
def test_a_hostile_program_has_its_result_and_the_next_job_is_unharmed(attacked, program):
    lost = attacked.metric("pe_jobs_lost_total")
    program.run(attacked)
    assert portrait(attacked) == attacked.portrait, program.idea
    assert attacked.metric("pe_jobs_lost_total") == lost, "a VM did not survive its program"


# ---- the catalog ----


def test_there_are_enough_programs_and_each_has_an_idea_of_its_own():
    assert len(PROGRAMS) >= 80
    ideas = [program.idea for program in PROGRAMS]
    assert len(set(ideas)) == len(ideas), "two programs with the same idea"
    for program in PROGRAMS:
        assert re.fullmatch(r"[A-Z].{10,}\.", program.idea), program.path


def test_every_program_says_what_its_result_and_its_output_have_to_be():
    output = {"stdout", "stdout has", "stdout bytes", "files", "folders", "cases"}
    for program in PROGRAMS:
        statuses = {wanted.split()[0] for wanted in program.expected["result"].split(" or ")}
        assert statuses and statuses <= STATUSES, program.path
        assert output & set(program.expected), f"{program.path}: nothing is said of its output"


def test_every_subject_has_programs():
    subjects = {os.path.dirname(program.name) for program in PROGRAMS}
    assert len(subjects) >= 10 and "" not in subjects
