# SPDX-License-Identifier: Apache-2.0
"""Audits: a sample of jobs runs on other hosts as well, and a host whose results differ is reported."""
import itertools
import time

import pytest

from fixtures.answering_host import AnsweringHost as Host
from fixtures.host_tokens import HostTokens, join
from fixtures.http_client import JOB
from fixtures.interactive import Program, Session
from fixtures.openapi import validate
from fixtures.waiting import Background, eventually

AT_ONCE = ("--audit-again-ms", "0")  # hosts are asked again without waiting
OUTCOMES = ["same", "unstable", "suspicious", "undecided", "abandoned"]


@pytest.fixture
def balancer(start_balancer):
    return start_balancer("--audit", "100%", *AT_ONCE)


def post(balancer, name="same", **more):
    job = {"image": "gcc:14", "cmd": [name], **more}
    return balancer.post(job=job, accept="application/json")


def outcomes(balancer):
    counts = {name: balancer.metric(f'pe_audits_total{{outcome="{name}"}}') for name in OUTCOMES}
    return {name: count for name, count in counts.items() if count}


def wait_for_outcomes(balancer, **wanted):
    eventually(lambda: outcomes(balancer) == wanted, lambda: f"{wanted} in {outcomes(balancer)}")
    assert balancer.metric("pe_audits_waiting") == balancer.metric("pe_audit_bytes") == 0


def differences(balancer):
    listed = balancer.request("GET", "/v1/hosts").json()
    validate(balancer.request("GET", "/openapi.json").body, [("Hosts", listed)])
    return {host["name"]: host["differences"] for host in listed["hosts"]}


def then(text, arrive):
    """An answer of a host. While it works on its first job, others arrive."""

    def answer(number):
        if number == 1:
            arrive()
        return text

    return answer


def test_a_job_runs_again_on_another_host_when_its_client_has_the_answer(balancer):
    _, first = balancer.worker(host="h1")
    _, second = balancer.worker(host="h2")
    pending = Background(balancer.post, job={"image": "gcc:14", "cmd": ["x"]}, files=[("a", b"1")])
    job, files = first.take_job()
    first.answer(job, b"out", b"err", files=[("o", b"2")])
    assert pending.done().status == 200
    copy, copied_files = second.take_job()
    assert copied_files == files == [("a", b"1")]
    assert copy["id"] != job["id"]
    assert {key: copy[key] for key in copy.keys() - {"id", "queue_us"}} == {
        key: job[key] for key in job.keys() - {"id", "queue_us"}
    }
    attributes = {"o": {"mtime": 12345}}  # times are not compared
    usage = {"wall_ms": 99, "user_ms": 9, "system_ms": 9, "max_rss_kib": 9}
    second.answer(copy, b"out", b"err", files=[("o", b"2")], attributes=attributes, usage=usage)
    wait_for_outcomes(balancer, same=1)
    assert differences(balancer) == {"h1": 0, "h2": 0}
    assert balancer.metric("pe_queue_jobs") == 0


def test_a_host_that_lies_first_is_found_by_a_third_one_and_its_result_is_deleted(balancer):
    arrive = lambda: [Host(balancer, name) for name in ("h2", "h3")]
    Host(balancer, "h1", then(b"wrong", arrive))
    response = post(balancer)
    assert response.json()["stdout"] == "wrong"  # nobody knows better yet
    wait_for_outcomes(balancer, suspicious=1)
    assert differences(balancer) == {"h1": 1, "h2": 0, "h3": 0}
    assert balancer.metric("pe_audit_suspects") == 1
    balancer.wait_for_log("the result of worker 'h1' differs in its stdout from that of worker")
    assert "hit" not in post(balancer).headers["Cache-Status"]


def test_a_host_that_registers_again_while_it_lies_is_found_as_well(balancer):
    registration, slot = balancer.worker(host="h1")
    pending = Background(post, balancer)
    job, _ = slot.take_job()
    registration.close()
    balancer.wait_for(hosts=0)
    balancer.register("h1")
    for name in "h2", "h3":
        Host(balancer, name)
    slot.answer(job, b"wrong")
    assert pending.done().status == 200
    wait_for_outcomes(balancer, suspicious=1)
    assert differences(balancer) == {"h1": 1, "h2": 0, "h3": 0}


def test_a_host_that_lies_when_it_is_asked_later_is_found_as_well(balancer):
    late = lambda: Host(balancer, "h3")
    liar = lambda: Host(balancer, "h2", then(b"wrong", late))
    Host(balancer, "h1", then(b"right", liar))
    assert post(balancer).json()["stdout"] == "right"
    wait_for_outcomes(balancer, suspicious=1)
    assert differences(balancer) == {"h1": 0, "h2": 1, "h3": 0}
    assert post(balancer).headers["Cache-Status"].endswith("hit")


def test_a_host_that_was_reported_is_not_believed_later(balancer):
    arrive = lambda: [Host(balancer, name) for name in ("h2", "h3")]
    liar = Host(balancer, "h1", then(b"wrong", arrive))
    post(balancer)
    wait_for_outcomes(balancer, suspicious=1)
    asked = len(liar.jobs)
    for number in range(5):
        post(balancer, f"job {number}")
    eventually(lambda: balancer.metric("pe_audits_waiting") == 0, "all audits are over")
    own = sum(job["job"]["cmd"] != ["same"] for job in liar.jobs)
    assert len(liar.jobs) - asked == own  # jobs of clients, whose copies are run by others
    assert outcomes(balancer).get("undecided", 0) == 0


def test_a_program_that_does_something_else_each_time_is_no_evidence(balancer):
    numbers = itertools.count()
    fresh = lambda number: str(next(numbers)).encode()
    hosts = [Host(balancer, name, fresh) for name in ("h1", "h2", "h3")]
    assert post(balancer).status == 200
    wait_for_outcomes(balancer, unstable=1)
    assert set(differences(balancer).values()) == {0}
    assert sum(len(host.jobs) for host in hosts) == 3


def test_a_host_that_agrees_with_another_one_by_chance_is_asked_again(balancer):
    """A program that tosses a coin: h3 agrees with h1, and then with itself no more."""
    last = lambda: Host(balancer, "h3", lambda number: b"heads" if number == 1 else b"tails")
    second = lambda: Host(balancer, "h2", then(b"tails", last))
    Host(balancer, "h1", then(b"heads", second))
    post(balancer)
    wait_for_outcomes(balancer, unstable=1)
    assert set(differences(balancer).values()) == {0}


def test_a_host_is_asked_again_later_so_that_a_program_that_prints_the_time_is_no_evidence(
    start_balancer,
):
    balancer = start_balancer("--audit", "100%", "--audit-again-ms", "1500")
    begun = []

    def minute(number):  # the first run was in the minute before
        begun.append(time.monotonic())
        return b"15:00" if len(begun) == 1 else b"15:01" if len(begun) <= 3 else b"15:02"

    for name in "h1", "h2", "h3":
        Host(balancer, name, minute)
    assert post(balancer).status == 200
    wait_for_outcomes(balancer, unstable=1)
    assert len(begun) == 4 and begun[3] - begun[2] >= 1.5
    assert set(differences(balancer).values()) == {0}


def test_two_hosts_that_contradict_one_another_are_not_reported_without_a_third_one(balancer):
    hosts = [Host(balancer, "h1"), Host(balancer, "h2", lambda number: b"other")]
    post(balancer)
    wait_for_outcomes(balancer, undecided=1)
    assert set(differences(balancer).values()) == {0}
    assert [len(host.jobs) for host in hosts] == [2, 2]
    balancer.wait_for_log("a third host, or a trusted one, would tell which of them is wrong")


def test_a_trusted_host_is_the_reference_though_it_is_alone(start_balancer, tmp_path):
    store = HostTokens(tmp_path / "tokens")
    balancer = start_balancer("--tokens", store.path, "--trusted-host", "safe", "--audit", "100%", *AT_ONCE)
    tokens = {name: f"host-{name}".ljust(69, "0") for name in ("safe", "bad")}
    for name, token in tokens.items():
        assert join(balancer, store.new(name), token).status == 200
    arrive = lambda: Host(balancer, "safe", token=tokens["safe"])
    Host(balancer, "bad", then(b"wrong", arrive), token=tokens["bad"])
    assert post(balancer).json()["stdout"] == "wrong"
    wait_for_outcomes(balancer, suspicious=1)
    balancer.wait_for_log("differs in its stdout from that of worker 'safe', which is trusted")


@pytest.mark.parametrize(
    "answer, part",
    [
        ({"stderr": b"x"}, "stderr"),
        ({"exit_code": 1}, "exit status"),
        ({"files": [("o", b"2")]}, "output files"),
        ({"files": [("o", b"1")], "attributes": {"o": {"mode": 0o755}}}, "output files"),
    ],
)
def test_everything_but_times_is_compared(balancer, answer, part):
    good = {"files": [("o", b"1")]}
    slots = {}
    for name in "h1", "h2":
        _, slots[name] = balancer.worker(host=name)
    pending = Background(post, balancer)
    slots["h1"].answer(slots["h1"].take_job()[0], **good)
    pending.done()
    slots["h2"].answer(slots["h2"].take_job()[0], **{**good, **answer})
    for name, sent in ("h1", good), ("h2", {**good, **answer}):
        slots[name].answer(slots[name].take_job()[0], **sent)
    wait_for_outcomes(balancer, undecided=1)


def test_a_copy_gives_its_slot_up_when_a_job_waits(balancer):
    _, first = balancer.worker(host="h1")
    _, second = balancer.worker(host="h2")
    pending = Background(post, balancer)
    first.answer(first.take_job()[0])
    pending.done()
    copy, _ = second.take_job()
    jobs = [Background(post, balancer, f"job {number}") for number in range(2)]
    taken, _ = first.take_job()
    assert second.receive() == {"type": "cancel", "id": copy["id"]}
    second.send_message(
        type="error",
        id=copy["id"],
        problem={"type": "/problems/canceled", "title": "t", "status": 503, "detail": "d"},
    )
    second.ready()
    other, _ = second.take_job()
    assert sorted(job["job"]["cmd"] for job in (taken, other)) == [["job 0"], ["job 1"]]
    second.answer(other, ready=False)
    first.answer(taken, ready=False)
    assert [job.done().status for job in jobs] == [200, 200]


def test_a_copy_does_not_take_the_last_slot_that_is_idle(balancer):
    _, first = balancer.worker(host="h1")
    _, second = balancer.worker(host="h2")
    pending = Background(post, balancer)
    first.answer(first.take_job()[0], ready=False)
    pending.done()
    balancer.wait_for(ready=1)
    assert balancer.metric("pe_audits_waiting") == 1
    assert balancer.metric("pe_jobs_running") == 0
    first.ready()
    second.answer(second.take_job()[0])
    wait_for_outcomes(balancer, same=1)


def test_a_copy_whose_result_was_deleted_is_cancelled(balancer):
    _, first = balancer.worker(host="h1")
    _, second = balancer.worker(host="h2")
    pending = Background(post, balancer)
    first.answer(first.take_job()[0])
    key = pending.done().headers["X-Result-Key"]
    copy, _ = second.take_job()
    assert balancer.request("DELETE", f"/v1/results/{key}").status == 204
    assert second.receive() == {"type": "cancel", "id": copy["id"]}
    wait_for_outcomes(balancer, abandoned=1)


def test_jobs_that_must_not_be_kept_jobs_with_input_and_stages_are_not_run_again(balancer):
    Host(balancer, "h1")
    _, live = balancer.worker(host="h2", live=1, images=["live:1"])
    Host(balancer, "h3", images=["live:1"])
    Host(balancer, "h4")
    post(balancer, cache=False)
    body = {"image": "gcc:14", "cmd": ["x"]}
    balancer.post(job=body, headers={"Cache-Control": "no-store"})
    session = Session(balancer.address, {**JOB, "image": "live:1"})
    Program(live).exit(b"")
    session.rest()
    assert balancer.metric("pe_audits_waiting") == 0 and outcomes(balancer) == {}
    post(balancer)  # and this one is
    wait_for_outcomes(balancer, same=1)


def test_a_job_that_demands_a_kind_of_host_is_copied_to_such_a_host_only(balancer):
    Host(balancer, "h1", isolation="hardware")
    other = Host(balancer, "h2", isolation="kernel")
    late = Host(balancer, "h3", isolation="hardware")
    post(balancer, isolation="hardware")
    wait_for_outcomes(balancer, same=1)
    assert other.jobs == [] and len(late.jobs) == 1


def test_without_the_option_and_outside_of_the_sample_no_job_runs_twice(start_balancer):
    for options in (), ("--audit", "0%"), ("--audit", "0.0000001%"):
        balancer = start_balancer(*options)
        hosts = [Host(balancer, name) for name in ("h1", "h2")]
        for number in range(20):
            assert post(balancer, f"job {number}").status == 200
        assert sum(len(host.jobs) for host in hosts) == 20
        assert outcomes(balancer) == {}


@pytest.mark.parametrize(
    "options, complaint",
    [
        (("--audit", "1"), "expects a share of all jobs"),
        (("--audit", "101%"), "expects a share of all jobs"),
        (("--audit", "-1%"), "expects a share of all jobs"),
        (("--audit", "nan%"), "expects a share of all jobs"),
        (("--audit-drain", "1"), "needs --audit"),
        (("--audit", "1%", "--audit-again-ms", "300001"), "at most 300000"),
        (("--audit", "1%", "--audit-drain", "17"), "at most 16"),
    ],
)
def test_settings_that_are_wrong_are_refused(start_balancer, options, complaint):
    with pytest.raises(AssertionError, match=complaint):
        start_balancer(*options)


def test_a_host_is_drained_after_differences_for_several_clients_until_an_operator_resumes_it(
    start_balancer,
):
    options = ("--audit", "100%", "--audit-drain", "2", "--trusted-proxy", "unix")
    balancer = start_balancer(*options, *AT_ONCE)
    arrive = lambda: [Host(balancer, name) for name in ("h2", "h3")]
    Host(balancer, "h1", then(b"wrong", arrive), warm="gcc:14")

    def is_drained_after(address, name):
        job = {"image": "gcc:14", "cmd": [name]}
        balancer.post(job=job, headers={"X-Forwarded-For": address})
        eventually(lambda: balancer.metric("pe_audits_waiting") == 0, "the audit is over")
        listed = balancer.request("GET", "/v1/hosts").json()["hosts"]
        return {host["name"]: host["drained"] for host in listed}

    for number in range(3):  # one client is not enough
        assert not any(is_drained_after("192.0.2.1", f"job {number}").values())
    assert differences(balancer) == {"h1": 3, "h2": 0, "h3": 0}
    assert is_drained_after("192.0.2.2", "last") == {"h1": True, "h2": False, "h3": False}
    balancer.wait_for_log("audit: worker 'h1' was drained")
    assert balancer.request("DELETE", "/v1/hosts/h1/drain").status == 204
    assert differences(balancer)["h1"] == 0
