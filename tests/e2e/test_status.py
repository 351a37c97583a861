# SPDX-License-Identifier: Apache-2.0
"""`pe-worker status`: what the owner of a host sees of its worker."""
import socket

import pytest

from fixtures import engine
from fixtures.spare_host import NAME, SpareHost
from fixtures.waiting import Background, eventually
from fixtures.worker_status import ask, status

NEIGHBOUR = "65534"


@pytest.fixture(scope="module")
def shared_host(tmp_path_factory):
    host = SpareHost(tmp_path_factory.mktemp("host"))
    try:
        yield host.begin()
    finally:
        host.close()


@pytest.fixture
def host(shared_host):
    eventually(lambda: slot_states(shared_host) == ["ready"], "the slot is ready", 300)
    return shared_host


def slot_states(host):
    return [slot["state"] for slot in status(host.worker)["slots"]]


def test_the_status_says_what_the_worker_is_and_does(host):
    said = status(host.worker)
    assert (said["name"], said["state"], said["pid"]) == (NAME, "working", host.worker.process.pid)
    assert engine.NAME in said["engine"]
    assert "busybox:1.35" in said["images"]
    (balancer,) = said["balancers"]
    assert balancer["url"] == host.url and balancer["state"] == "connected"
    assert balancer["since"] >= said["started"]
    text = ask(host.worker).stdout
    assert f"worker {NAME}: working since " in text
    assert f"  balancer {host.url}: connected since " in text
    assert "  1 slot: 1 ready\n" in text


def test_the_status_counts_jobs_and_the_cpu_time_that_they_used(host):
    before = status(host.worker)
    job = Background(host.run, "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; sleep 2")
    eventually(lambda: slot_states(host) == ["running"], "the slot runs the job")
    assert "1 running" in ask(host.worker).stdout
    assert job.done().status == "exited"

    def is_counted():
        said = status(host.worker)
        return (
            said["jobs"] == {**before["jobs"], "done": before["jobs"]["done"] + 1}
            and said["cpu_s_today"] > before["cpu_s_today"]
        )

    eventually(is_counted, "the job is counted")


def test_only_root_and_the_user_of_the_worker_may_ask(host):
    neighbour = ("setpriv", "--reuid", NEIGHBOUR, "--regid", NEIGHBOUR, "--clear-groups")
    done = ask(host.worker, wrapper=neighbour)
    assert done.returncode == 1 and done.stdout == ""
    assert "cannot list the run directory" in done.stderr or "only root" in done.stderr


def test_somebody_who_asks_and_does_not_read_holds_nobody_up_for_long(host):
    path = f"{host.worker.run_dir}/worker-{host.worker.process.pid}/status"
    with socket.socket(socket.AF_UNIX) as silent, socket.socket(socket.AF_UNIX) as gone:
        silent.connect(path)
        gone.connect(path)
        gone.close()
        assert status(host.worker)["name"] == NAME


def test_where_no_worker_runs_the_status_says_so(tmp_path):
    class Nothing:
        run_dir = str(tmp_path / "none")

    done = ask(Nothing)
    assert done.returncode == 1 and "no worker" in done.stderr and "--run-dir" in done.stderr
    done = ask(Nothing, "--json")
    assert done.returncode == 1 and '"workers": []' in done.stdout
    assert ask(Nothing, "surplus").returncode == 2
