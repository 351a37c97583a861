# SPDX-License-Identifier: Apache-2.0
"""Jobs that demand a kind of isolation: which workers and which results answer them."""
import pytest

from fixtures.http_client import SAME, assert_refused
from fixtures.openapi import validate
from fixtures.stand_in_worker import Slot
from fixtures.waiting import Background, eventually

HARDWARE = {**SAME, "isolation": "hardware"}
STRONG = {**SAME, "isolation": ["hardware", "kernel"]}


def isolation_of(response):
    return response.json()["isolation"]


def post(balancer, job, **options):
    return balancer.post(job=job, accept="application/json", **options)


def fresh(job, number=0):
    """The same job with another command: it has no stored result."""
    return {**job, "cmd": ["fresh", str(number)]}


@pytest.mark.parametrize(
    "isolation, text",
    [
        ("vm", "'hardware', 'kernel' or 'emulation', not 'vm'"),
        (["hardware", "none"], "not 'none'"),
        (["kernel", "kernel"], "'kernel' is named twice"),
        ([], "is empty; leave it out to accept any isolation"),
        (True, "must be a string or an array of strings"),
        ({"hardware": True}, "must be a string or an array of strings"),
    ],
)
def test_a_demand_that_names_no_kind_of_isolation_is_refused(balancer, isolation, text):
    balancer.worker()
    assert_refused(post(balancer, {**SAME, "isolation": isolation}), 422, "invalid-job", text)


def test_a_job_goes_to_a_worker_that_has_the_isolation_it_demands(balancer):
    balancer.worker(host="weak", isolation="emulation")
    _, strong = balancer.worker(host="strong", isolation="hardware")
    for i in range(3):
        pending = Background(post, balancer, fresh(HARDWARE, i))
        strong.answer(strong.take_job()[0])
        assert isolation_of(pending.done()) == "hardware"


def test_a_job_that_accepts_several_kinds_goes_to_any_of_them(balancer):
    balancer.worker(host="weak", isolation="emulation")
    _, slot = balancer.worker(host="middle", isolation="kernel")
    pending = Background(post, balancer, fresh(STRONG))
    slot.answer(slot.take_job()[0])
    assert isolation_of(pending.done()) == "kernel"


def test_a_demand_that_no_worker_meets_is_refused_with_what_is_available(balancer):
    balancer.worker(host="h1", isolation="emulation")
    balancer.worker(host="h2", isolation="kernel")
    balancer.worker(host="h3", isolation="hardware", images=("clang:19",))
    response = post(balancer, HARDWARE)
    assert_refused(
        response,
        422,
        "isolation-unavailable",
        "no worker that has the image 'gcc:14' has the isolation hardware",
        "available: kernel, emulation",
    )
    assert response.problem()["available"] == ["kernel", "emulation"]
    validate(
        balancer.request("GET", "/openapi.json").body,
        [("Problem", response.problem()), ("Job", HARDWARE), ("Job", STRONG)],
    )
    assert_refused(post(balancer, {**HARDWARE, "image": "gcc:15"}), 404, "unknown-image")


def test_a_demanding_job_waits_for_a_suitable_worker_that_is_busy_and_blocks_no_other(balancer):
    _, weak = balancer.worker(host="weak", isolation="kernel")
    _, strong = balancer.worker(host="strong", isolation="hardware")
    first = Background(post, balancer, fresh(HARDWARE, 1))
    running, _ = strong.take_job()
    second = Background(post, balancer, fresh(HARDWARE, 2))
    balancer.wait_for(queued=1)
    other = Background(post, balancer, fresh(SAME, 3))
    weak.answer(weak.take_job()[0])
    assert isolation_of(other.done()) == "kernel"
    balancer.wait_for(queued=1)
    strong.answer(running)
    assert isolation_of(first.done()) == "hardware"
    strong.answer(strong.take_job()[0])
    assert isolation_of(second.done()) == "hardware"


def test_a_demanding_job_whose_only_worker_goes_away_is_told_so_at_its_time_limit(start_balancer):
    balancer = start_balancer("--queue-wait-ms", "1000")
    balancer.worker(host="weak", isolation="kernel")
    registration = balancer.register(host="strong", isolation="hardware")
    balancer.wait_for(hosts=2)
    pending = Background(post, balancer, HARDWARE)
    balancer.wait_for(queued=1)
    registration.close()
    response = pending.done()
    assert_refused(response, 422, "isolation-unavailable", "available: kernel")


def test_a_demanding_job_that_lost_its_slot_is_not_given_to_a_weaker_worker(balancer):
    balancer.worker(host="weak", isolation="emulation")
    _, first = balancer.worker(host="strong", isolation="hardware")
    pending = Background(post, balancer, HARDWARE)
    first.take_job()
    first.close()
    balancer.wait_for(queued=1)
    second = Slot(balancer.address, "strong", isolation="hardware")
    second.answer(second.take_job()[0], b"second")
    assert pending.done().json()["stdout"] == "second"


def test_just_after_the_start_a_demanding_job_waits_for_a_suitable_worker(start_balancer):
    balancer = start_balancer("--gather-ms", "600000")
    _, weak = balancer.worker(host="weak", isolation="emulation")
    pending = Background(post, balancer, HARDWARE)
    other = Background(post, balancer, fresh(SAME))
    weak.answer(weak.take_job()[0])
    other.done()
    registration = balancer.register(host="strong", isolation="hardware")
    strong = Slot(balancer.address, "strong", isolation="hardware")
    strong.answer(strong.take_job()[0])
    assert isolation_of(pending.done()) == "hardware"
    registration.close()


def test_a_result_with_another_isolation_than_demanded_is_not_delivered(balancer):
    _, liar = balancer.worker(host="strong", isolation="hardware")
    pending = Background(post, balancer, HARDWARE)
    job, _ = liar.take_job()
    liar.result(job, isolation="emulation")
    balancer.wait_for_log("another isolation than its job demands")
    honest = Slot(balancer.address, "strong", isolation="hardware")
    honest.answer(honest.take_job()[0])
    assert isolation_of(pending.done()) == "hardware"


def test_a_stored_result_answers_a_job_that_accepts_its_isolation(balancer):
    _, weak = balancer.worker(host="weak", isolation="kernel")
    pending = Background(post, balancer, SAME)
    weak.answer(weak.take_job()[0], b"weak")
    pending.done()
    _, strong = balancer.worker(host="strong", isolation="hardware")
    for _ in range(2):  # the second time, the body is known
        response = post(balancer, STRONG)
        assert response.headers["Cache-Status"] == "program-explorer; hit"
        assert isolation_of(response) == "kernel"
    pending = Background(post, balancer, HARDWARE)
    strong.answer(strong.take_job()[0], b"strong")
    response = pending.done()
    assert response.headers["Cache-Status"] == "program-explorer; fwd=uri-miss; stored"
    assert response.json()["stdout"] == "strong"
    for job in (HARDWARE, STRONG, SAME):
        response = post(balancer, job)
        assert response.headers["Cache-Status"] == "program-explorer; hit"
        assert isolation_of(response) == "hardware"


def test_a_stored_result_is_no_answer_while_no_worker_meets_the_demand(balancer):
    registration, slot = balancer.worker(host="strong", isolation="hardware")
    pending = Background(post, balancer, HARDWARE)
    slot.answer(slot.take_job()[0])
    pending.done()
    assert isolation_of(post(balancer, HARDWARE)) == "hardware"  # the body is known now
    balancer.worker(host="weak", isolation="kernel")
    registration.close()
    balancer.wait_for(hosts=1)
    assert_refused(post(balancer, HARDWARE), 422, "isolation-unavailable")
    assert isolation_of(post(balancer, SAME)) == "hardware"


def test_a_job_on_a_weaker_worker_is_not_shared_with_one_that_demands_more(balancer):
    _, weak = balancer.worker(host="weak", isolation="emulation")
    plain = Background(post, balancer, SAME)
    first, _ = weak.take_job()
    _, strong = balancer.worker(host="strong", isolation="hardware")
    demanding = Background(post, balancer, HARDWARE)
    second, _ = strong.take_job()
    weak.answer(first, b"weak")
    strong.answer(second, b"strong")
    assert plain.done().json()["stdout"] == "weak"
    assert demanding.done().json()["stdout"] == "strong"


def test_jobs_that_demand_the_same_are_shared(balancer):
    _, slot = balancer.worker(isolation="hardware")
    first = Background(post, balancer, STRONG)
    job, _ = slot.take_job()
    second = Background(post, balancer, {**SAME, "isolation": ["kernel", "hardware"]})
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "both are there")
    slot.answer(job, b"once")
    assert first.done().json()["stdout"] == "once"
    assert second.done().headers["Cache-Status"] == "program-explorer; fwd=uri-miss; collapsed"
