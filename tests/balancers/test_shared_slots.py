# SPDX-License-Identifier: Apache-2.0
"""A slot that is offered to several balancers, as one of them sees it: a real balancer, and a stand-in for
the worker."""
import pytest

from fixtures.events import EventStream, output_of
from fixtures.interactive import TTY, Program, Session
from fixtures.stages import case
from fixtures.stand_in_worker import Closed, Slot
from fixtures.waiting import Background

JOB = {"image": "gcc:14", "cmd": ["true"], "cache": False}


@pytest.fixture
def balancer(start_balancer):
    return start_balancer()


def share(balancer, host="h1", **options):
    """A slot that has said that it is shared, and was welcomed."""
    return Slot(balancer.address, host, shared=1, **options)


def test_only_a_slot_that_is_shared_is_welcomed_and_once(balancer):
    balancer.register()
    slot = share(balancer)
    slot.ready()
    job = Background(balancer.post, job=JOB)
    slot.answer(slot.take_job()[0], b"shared", ready=False)
    assert job.done().status == 200
    alone = Slot(balancer.address)
    job = Background(balancer.post, job=JOB)
    alone.answer(alone.take_job()[0], b"alone")
    assert job.done().status == 200


def test_a_slot_that_was_withdrawn_gets_no_job_until_it_asks_again(balancer):
    balancer.register()
    slot = share(balancer)
    balancer.wait_for(ready=1)
    assert balancer.metric("pe_slots_elsewhere") == 0
    slot.send_message(type="withdraw")
    balancer.wait_for(ready=0)
    assert balancer.metric("pe_slots_elsewhere") == 1, "it is busy, but not with a job of this one"
    job = Background(balancer.post, job=JOB)
    balancer.wait_for(queued=1)
    slot.ready()
    slot.answer(slot.take_job()[0], b"late")
    assert b"late" in job.done().body
    assert balancer.metric("pe_slots_elsewhere") == 0


def test_a_job_that_crosses_with_a_withdrawal_is_given_back_and_runs_elsewhere_once(balancer):
    balancer.register("h1")
    balancer.register("h2")
    slot = share(balancer)
    job = Background(balancer.post, job=JOB, files=[("large", b"x" * 3_000_000)])
    message = slot.receive()
    slot.send_message(type="withdraw")
    slot.send_message(type="return", id=message["id"])
    other = share(balancer, "h2")
    taken, files = other.take_job()
    assert taken["id"] == message["id"]
    assert files == [("large", b"x" * 3_000_000)]
    other.answer(taken, b"elsewhere")
    assert b"elsewhere" in job.done().body
    assert balancer.metric("pe_jobs_returned_total") == 1
    assert balancer.metric("pe_jobs_lost_total") == 0


def test_a_job_with_cases_that_was_given_back_runs_elsewhere(balancer):
    balancer.register()
    slot = share(balancer)
    stages = {"image": "gcc:14", "stages": [{"name": "run", "cmd": ["x"]}], "cases": [{"expect": "a"}]}
    job = Background(balancer.post, job=stages, accept="application/json")
    message, _ = slot.take_job()
    slot.send_message(type="return", id=message["id"])
    slot.ready()
    slot.answer(slot.take_job()[0], case(0, b"a"))
    assert job.done().json()["summary"]["verdict"] == "right"


def test_what_is_left_of_a_job_that_was_given_back_comes_before_the_next_job(balancer):
    balancer.register()
    slot = share(balancer)
    first = Background(balancer.post, job=JOB, files=[("large", b"x" * 8_000_000)])
    message = slot.receive()
    slot.send_message(type="withdraw")
    slot.send_message(type="return", id=message["id"])
    slot.ready()
    while not isinstance(again := slot.receive(), dict) or again["type"] != "job":
        assert isinstance(again, bytes) or again["type"] == "end"
    assert again["id"] == message["id"]
    data = b""
    while isinstance(piece := slot.receive(), bytes):
        data += piece
    assert data == b"x" * 8_000_000 and piece["type"] == "end"
    slot.answer(again, b"whole")
    assert b"whole" in first.done().body


def test_a_job_that_its_client_gave_up_and_the_worker_gave_back_is_gone(balancer):
    balancer.register()
    slot = share(balancer)
    client = balancer.send_job()
    message = slot.receive()
    client.close()
    while (cancel := slot.receive()) != {"type": "cancel", "id": message["id"]}:
        assert cancel == {"type": "end", "id": message["id"]}
    slot.send_message(type="withdraw")
    slot.send_message(type="return", id=message["id"])
    slot.ready()
    balancer.wait_for(ready=1, queued=0, running=0)


def test_an_event_stream_says_that_the_job_waits_again(balancer):
    balancer.register()
    slot = share(balancer)
    job = Background(balancer.post, job=JOB, accept="text/event-stream")
    message, _ = slot.take_job()
    slot.send_message(type="return", id=message["id"])
    slot.ready()
    slot.answer(slot.take_job()[0], b"done")
    body = job.done().body.decode()
    assert "given the job back" in body and '"status":"exited"' in body


def test_a_slot_that_is_not_shared_or_has_no_job_must_not_withdraw_or_give_back(balancer):
    balancer.register()
    plain = Slot(balancer.address)
    plain.send_message(type="withdraw")
    with pytest.raises(Closed) as closed:
        plain.receive()
    assert (closed.value.code, closed.value.reason) == (
        1008,
        "'withdraw' of a slot that is not shared",
    )
    slot = share(balancer)
    job = Background(balancer.post, job=JOB)
    message, _ = slot.take_job()
    slot.answer(message, b"done", ready=False)
    job.done()
    slot.send_message(type="return", id=message["id"])
    with pytest.raises(Closed) as closed:
        slot.receive()
    assert closed.value.code == 1008


def test_a_job_that_has_printed_something_cannot_be_given_back(balancer):
    balancer.register(live=1)
    liar = share(balancer, live=1)
    stream = EventStream(balancer, job={**JOB, "stdout_max": 10})
    message, _ = liar.take_job()
    assert liar.receive() == {"type": "watch", "id": message["id"]}
    liar.output(message, ("stdout", b"x" * 10))
    liar.send_message(type="return", id=message["id"])
    with pytest.raises(Closed) as closed:
        liar.receive()
    assert closed.value.reason == "'return' of a job that has begun"
    honest = share(balancer, live=1)
    message, _ = honest.take_job()
    assert honest.receive() == {"type": "watch", "id": message["id"]}
    honest.output(message, ("stdout", b"y" * 10))
    honest.answer(message, b"y" * 10)
    assert output_of(stream.rest()[-3:]) == b"y" * 10
    assert honest.status == 101 and balancer.metric("pe_jobs_lost_total") == 1


def test_a_worker_that_gives_everything_back_loses_the_job_in_the_end(balancer):
    balancer.register()
    slot = share(balancer)
    job = Background(balancer.post, job=JOB)

    def refuse():
        message, _ = slot.take_job()
        with slot.at_once():
            slot.send_message(type="return", id=message["id"])
            slot.ready()
        return not job.is_running()

    for _ in range(3 * 64 - 1):
        refuse()
    message, _ = slot.take_job()
    slot.send_message(type="return", id=message["id"])
    response = job.done()
    assert b"given the job back again and again" in response.body
    balancer.wait_for(running=0)


def test_what_was_typed_is_not_lost_when_the_job_is_given_back(balancer):
    balancer.register(live=1)
    slot = share(balancer, live=1)
    session = Session(balancer.address, JOB, TTY)
    first = Program(slot)
    assert [session.event()["type"], session.event()["type"]] == ["queued", "started"]
    session.say(type="resize", rows=50, cols=132)
    assert first.receive() == ("resize", {"rows": 50, "cols": 132})
    session.say(type="signal", signal="INT")
    assert first.receive() == ("signal", {"signal": 2})
    session.type("typed\n")
    assert first.receive() == ("input", b"typed\n")
    session.say(type="eof")
    assert first.receive() == ("eof", {})
    slot.send_message(type="return", id=first.id)
    slot.ready()
    again = Program(slot)
    assert again.message["input"]["tty"]["rows"] == 50
    messages = [again.receive() for _ in range(3)]  # a signal comes as soon as one is due
    assert ("signal", {"signal": 2}) in messages
    messages.remove(("signal", {"signal": 2}))
    assert messages == [("input", b"typed\n"), ("eof", {})]
    again.taken(6)
    again.exit(b"bye")
    kinds = [event["type"] for event in session.rest()]
    assert kinds == ["taken", "stdout", "result"]
