# SPDX-License-Identifier: Apache-2.0
"""Workers with few rights: jobs run, and the log says which protections of VMMs are missing."""
import pytest

from fixtures import engine
from fixtures.confined import AS_NOBODY, AS_NOBODY_IN_DOCKER, LIKE_DOCKER, NAMESPACES, missing_for_nobody
from fixtures.vmm import NOBODY
from fixtures.waiting import eventually

pytestmark = pytest.mark.each_engine


def says_missing(worker, protection):
    return f"the jail has no {protection}: " in worker.log()


def assert_jobs_run(service):
    for number in range(3):
        job = service.run(
            f"echo {number}; id -u; cat > /output/copy", files=[("in", "input")], stdin="in"
        )
        assert (job.status, job.exit_code) == ("exited", 0), job
        assert job.stdout == b"%d\n0\n" % number
        assert job.files == {"copy": b"input"}


def assert_nothing_is_left_after(service):
    service.worker.end()
    eventually(lambda: service.worker.leftovers() == set(), "no file of a VM is left")


def test_jobs_run_with_the_rights_of_a_container_of_docker(start_service):
    service = start_service(wrapper=LIKE_DOCKER, slots=1)
    assert_jobs_run(service)
    for protection in NAMESPACES:
        given = protection == "root directory" and engine.has("uml")  # an empty one, with chroot(2)
        assert says_missing(service.worker, protection) != given, protection
    assert not says_missing(service.worker, "own user")
    assert not says_missing(service.worker, "seccomp filter")
    assert_nothing_is_left_after(service)


def test_each_slot_has_a_user_of_its_own_in_a_container_of_docker(start_service):
    service = start_service(wrapper=LIKE_DOCKER, slots=2)
    eventually(lambda: len(service.worker.slots()) == 2, "both slots have a VM")
    users = set()
    for pid in service.worker.vmms():
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            users |= {line.split()[1] for line in status if line.startswith("Uid:")}
    assert len(users) == 2 and "0" not in users


def test_jobs_run_without_root(start_service):
    service = start_service(wrapper=AS_NOBODY, slots=1, owner=NOBODY)
    assert_jobs_run(service)
    missing = missing_for_nobody()
    for protection in NAMESPACES:
        assert says_missing(service.worker, protection) == (protection in missing), protection
    assert says_missing(service.worker, "own user")
    assert not says_missing(service.worker, "seccomp filter")
    assert_nothing_is_left_after(service)


def test_jobs_run_without_root_and_without_user_namespaces(start_service):
    service = start_service(wrapper=AS_NOBODY_IN_DOCKER, slots=1, owner=NOBODY)
    assert_jobs_run(service)
    assert "VMMs get no namespaces of their own" in service.worker.log()
    for protection in (*NAMESPACES, "own user"):
        assert says_missing(service.worker, protection), protection
    assert not says_missing(service.worker, "seccomp filter")
    assert_nothing_is_left_after(service)
