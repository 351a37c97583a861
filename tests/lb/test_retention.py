# SPDX-License-Identifier: Apache-2.0
"""Deleting results, their age, cancelling jobs, and addresses in the log."""
import pytest

from fixtures.http_client import JOB, SAME, Connection, assert_refused
from fixtures.waiting import Background, eventually


def run(balancer, slot, stdout):
    pending = Background(balancer.post, job=SAME, accept="application/json")
    slot.answer(slot.take_job()[0], stdout)
    return pending.done()


def again(balancer):
    return balancer.post(job=SAME, accept="application/json")


@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "on disk"])
def test_a_deleted_result_is_no_answer_any_more(start_balancer, tmp_path, stored):
    options = ("--cache-dir", f"{tmp_path}/cache") if stored else ()
    balancer = start_balancer(*options)
    _, slot = balancer.worker()
    key = run(balancer, slot, b"first").headers["X-Result-Key"]
    assert again(balancer).headers["Cache-Status"].endswith("hit")
    assert again(balancer).headers["X-Result-Key"] == key
    assert balancer.request("DELETE", f"/v1/results/{key}").status == 204
    assert run(balancer, slot, b"second").json()["stdout"] == "second"
    assert balancer.request("DELETE", f"/v1/results/{'0' * 64}").status == 204


def test_the_result_of_a_job_that_runs_is_not_kept_when_it_was_deleted_meanwhile(balancer):
    _, slot = balancer.worker()
    key = run(balancer, slot, b"first").headers["X-Result-Key"]
    balancer.request("DELETE", f"/v1/results/{key}")
    pending = Background(again, balancer)
    job, _ = slot.take_job()
    assert balancer.request("DELETE", f"/v1/results/{key}").status == 204
    slot.answer(job, b"second")
    assert pending.done().json()["stdout"] == "second"
    assert run(balancer, slot, b"third").json()["stdout"] == "third"


def test_a_job_that_looks_for_no_stored_result_keeps_none_that_was_deleted_meanwhile(balancer):
    _, slot = balancer.worker()
    key = run(balancer, slot, b"first").headers["X-Result-Key"]
    pending = Background(balancer.post, job=SAME, headers={"Cache-Control": "no-cache"})
    job, _ = slot.take_job()
    assert balancer.request("DELETE", f"/v1/results/{key}").status == 204
    slot.answer(job, b"second")
    assert pending.done().status == 200
    assert run(balancer, slot, b"third").json()["stdout"] == "third"


def test_a_result_in_memory_that_is_too_old_is_no_answer(start_balancer, clock):
    balancer = start_balancer("--keep-results-min", "10")
    _, slot = balancer.worker()
    run(balancer, slot, b"first")
    clock.set(8 * 60)
    assert again(balancer).headers["Cache-Status"].endswith("hit")
    clock.set(11 * 60)
    assert run(balancer, slot, b"second").json()["stdout"] == "second"


def test_a_result_on_disk_that_is_too_old_is_removed(start_balancer, clock, tmp_path):
    options = ("--cache-dir", f"{tmp_path}/cache", "--keep-results-min", "10")
    first = start_balancer(*options)
    run(first, first.worker()[1], b"first")
    first.end()
    second = start_balancer(*options)
    second.worker()
    assert "detail=store" in again(second).headers["Cache-Status"]
    second.end()
    clock.set(11 * 60)
    third = start_balancer(*options)
    _, slot = third.worker()
    other = Background(third.post, job={**SAME, "cmd": ["other"]})
    slot.answer(slot.take_job()[0])  # the store has looked for old results before it was asked
    other.done()
    clock.set(0)
    assert run(third, slot, b"second").json()["stdout"] == "second"


@pytest.mark.parametrize("stored", [False, True], ids=["in memory", "on disk"])
def test_a_result_of_a_time_when_the_clock_was_ahead_is_not_kept_until_that_time(
    start_balancer, clock, tmp_path, stored
):
    options = ["--keep-results-min", "10"]
    options += ["--cache-dir", f"{tmp_path}/cache"] if stored else []
    balancer = start_balancer(*options)
    _, slot = balancer.worker()
    clock.set(24 * 3600)
    run(balancer, slot, b"tomorrow")
    assert again(balancer).headers["Cache-Status"].endswith("hit")
    clock.set(0)
    if stored:
        balancer.end()
        balancer = start_balancer(*options)
        _, slot = balancer.worker()
    assert run(balancer, slot, b"today").json()["stdout"] == "today"
    clock.set(-30)
    assert again(balancer).json()["stdout"] == "today"


def test_an_address_cannot_try_many_keys_of_results(balancer):
    _, slot = balancer.worker()
    key = run(balancer, slot, b"first").headers["X-Result-Key"]
    def delete(wanted):
        return balancer.request("DELETE", f"/v1/results/{wanted}")

    answers = (delete(f"{number:064x}") for number in range(10000))
    refused = next(answer for answer in answers if answer.status != 204)
    assert_refused(refused, 429, "too-many-requests", "delete results 5 times per second")
    assert again(balancer).json()["stdout"] == "first"
    eventually(lambda: delete(key).status == 204, "the limit is over after a while")


def test_a_job_that_is_not_stored_has_no_key_and_other_paths_are_no_results(balancer):
    _, slot = balancer.worker()
    assert "X-Result-Key" not in balancer.run_on(slot, job=JOB).headers
    for path in ("x", "0" * 63, "0" * 63 + "A", "0" * 65):
        assert_refused(balancer.request("DELETE", f"/v1/results/{path}"), 404, "not-found")
    assert_refused(balancer.request("GET", f"/v1/results/{'0' * 64}"), 405, "method-not-allowed")


@pytest.mark.parametrize(
    "detail, text",
    [("full", "127.0.0.1 has 1"), ("short", "127.0.0.0/24 has 1"), ("none", "a client has 1")],
)
def test_addresses_can_be_shortened_or_left_out_in_the_log(start_balancer, detail, text):
    balancer = start_balancer("--log-addresses", detail, "--client-connections", "1")
    held = Connection(balancer.tcp)
    held.connect()
    other = Connection(balancer.tcp)
    other.connect()
    balancer.wait_for_log(text)
    if detail != "full":
        assert "127.0.0.1 has" not in balancer.log()
    held.close()
    other.close()
