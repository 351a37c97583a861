# SPDX-License-Identifier: Apache-2.0
"""GET and DELETE /v1/jobs/ID: what a waiting client can know about its job, and how it cancels it."""
import json
import secrets

from fixtures.http2_client import HEADERS, INITIAL_WINDOW_SIZE, Http2
from fixtures.http_client import FORM, JOB, SAME, assert_refused, job_body
from fixtures.openapi import validate
from fixtures.stand_in_worker import Slot, connect
from fixtures.waiting import Background, eventually


def post_as(balancer, name, job=JOB, **headers):
    return balancer.request(
        "POST", "/v1/run", job_body(job), {"Content-Type": FORM, "X-Request-Id": name, **headers}
    )


def state(balancer, name):
    """What is told about a job, checked against the API's description."""
    answer = balancer.request("GET", "/v1/jobs/" + name)
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    document = balancer.request("GET", "/openapi.json").body
    validate(document, [("JobState", answer.json())])
    return answer.json()


def test_a_job_with_a_request_id_reports_its_queue_position_and_that_it_runs(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    names = [secrets.token_hex(16) for _ in range(3)]
    calls = []
    for count, name in enumerate(names):
        calls.append(Background(post_as, balancer, name))
        balancer.wait_for(queued=count + 1)
    places = [state(balancer, name) for name in names]
    assert [(place["state"], place["position"]) for place in places] == [
        ("queued", 1),
        ("queued", 2),
        ("queued", 3),
    ]
    assert places[0]["wait_ms"] < places[2]["wait_ms"], places
    slot = Slot(balancer.address)
    job, _ = slot.take_job()
    assert job["id"] == names[0], "the id that the worker knows"
    first = state(balancer, names[0])
    assert first["state"] == "running"
    assert first["position"] is None
    assert first["running_ms"] >= 0
    assert state(balancer, names[2])["position"] == 2
    slot.answer(job)
    assert calls[0].done().headers["X-Request-Id"] == names[0]
    assert_refused(balancer.request("GET", "/v1/jobs/" + names[0]), 404, "not-found")
    for _ in names[1:]:
        slot.answer(slot.take_job()[0])
    assert [call.done().status for call in calls] == [200] * 3


def test_requests_that_share_one_job_see_the_same_state_of_it(balancer):
    balancer.register()
    balancer.wait_for(hosts=1)
    names = [secrets.token_hex(16) for _ in range(2)]
    same = {**JOB, "cache": True}
    first = Background(post_as, balancer, names[0], same)
    balancer.wait_for(queued=1)
    slot = Slot(balancer.address)
    job, _ = slot.take_job()
    second = Background(post_as, balancer, names[1], same)
    eventually(
        lambda: balancer.request("GET", "/v1/jobs/" + names[1]).status == 200, "the second request"
    )
    eventually(lambda: state(balancer, names[1])["state"] == "running", "it has joined")
    slot.answer(job)
    assert [first.done().status, second.done().status] == [200, 200]


def test_only_random_ids_that_the_client_chose_give_the_state_of_a_job(balancer):
    registration, slot = balancer.worker()
    taken = secrets.token_hex(16)
    holder = Background(post_as, balancer, taken)
    job, _ = slot.take_job()
    for name in ("", "1", "g" * 32, "A" * 32, "a" * 31, "a" * 33, "../" + "a" * 29):
        answer = Background(post_as, balancer, name, {**JOB, "image": "none:1"}).done()
        assert answer.headers["X-Request-Id"] != name, name
        assert len(answer.headers["X-Request-Id"]) == 32, name
        assert_refused(balancer.request("GET", "/v1/jobs/" + name), 404, "not-found")
    again = post_as(balancer, taken, {**JOB, "image": "none:1"})
    assert again.headers["X-Request-Id"] != taken, "an id that another request has"
    assert state(balancer, taken)["state"] == "running", "the first one's"
    slot.answer(job)
    given = holder.done().headers["X-Request-Id"]
    assert given == taken
    own = Background(balancer.post)
    job, _ = slot.take_job()
    assert_refused(balancer.request("GET", "/v1/jobs/" + job["id"]), 404, "not-found")
    slot.answer(job)
    assert own.done().status == 200


def test_a_client_that_asks_for_states_too_often_gets_429_until_it_pauses(start_balancer):
    balancer = start_balancer("--trusted-proxy", "unix")

    def question(address):
        return f"GET /v1/jobs/{'0' * 32} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {address}\r\n\r\n".encode()

    def ask(address="192.0.2.1"):
        return balancer.request(
            "GET", "/v1/jobs/" + "0" * 32, headers={"X-Forwarded-For": address}
        ).status

    with connect(balancer.address) as sock:  # many at once, however slow this program is
        sock.sendall(question("192.0.2.1") * 200)
        got = b""
        while got.count(b"HTTP/1.1 ") < 200:
            got += sock.recv(65536)
    assert got.startswith(b"HTTP/1.1 404")
    assert b"HTTP/1.1 429" in got
    assert ask("192.0.2.2") == 404, "another address"
    eventually(lambda: ask() == 404, "the client may ask again")
    assert balancer.health()["status"] == "ok"


def cancel(balancer, name):
    return balancer.request("DELETE", "/v1/jobs/" + name)


def test_a_client_cancels_a_job_that_waits_and_one_that_runs(balancer):
    registration, slot = balancer.worker()
    running, waiting = secrets.token_hex(16), secrets.token_hex(16)
    calls = {running: Background(post_as, balancer, running)}
    job, _ = slot.take_job()
    calls[waiting] = Background(post_as, balancer, waiting)
    balancer.wait_for(queued=1)
    for name in waiting, running:
        assert cancel(balancer, name).status == 204
        assert_refused(calls[name].done(), 499, "canceled", "DELETE /v1/jobs")
        assert_refused(cancel(balancer, name), 404, "not-found")
    assert slot.receive() == {"type": "cancel", "id": job["id"]}
    assert balancer.health()["queued"] == 0


def test_a_job_that_others_wait_for_goes_on_when_one_of_them_cancels(balancer):
    registration, slot = balancer.worker()
    names = [secrets.token_hex(16) for _ in range(2)]
    first = Background(post_as, balancer, names[0], SAME)
    job, _ = slot.take_job()
    second = Background(post_as, balancer, names[1], SAME)
    eventually(lambda: balancer.metric("pe_requests_open") == 2, "both wait")
    assert cancel(balancer, names[0]).status == 204
    assert first.done().status == 499
    slot.answer(job, b"done")
    assert second.done().form()[1][2] == b"done"


def test_events_of_a_job_that_is_cancelled_end_with_the_problem(balancer):
    registration, slot = balancer.worker()
    name = secrets.token_hex(16)
    call = Background(post_as, balancer, name, Accept="application/x-ndjson")
    slot.take_job()
    assert cancel(balancer, name).status == 204
    last = json.loads(call.done().body.splitlines()[-1])
    assert "canceled" in json.dumps(last), last


def test_a_job_without_an_id_of_the_client_cannot_be_cancelled(balancer):
    registration, slot = balancer.worker()
    call = Background(balancer.post)
    job, _ = slot.take_job()
    assert_refused(cancel(balancer, job["id"]), 404, "not-found")
    refused = balancer.request("POST", "/v1/jobs/" + job["id"])
    assert refused.status == 405 and refused.headers["Allow"] == "GET, HEAD, DELETE"
    slot.answer(job)
    assert call.done().status == 200


def test_a_job_that_was_refused_and_whose_client_has_not_read_that_cannot_be_cancelled(start_tls_balancer):
    balancer = start_tls_balancer("--http2")
    client = Http2(balancer.tls, {INITIAL_WINDOW_SIZE: 0})
    name = secrets.token_hex(16)
    body = b'{"image": 7}'
    stream = client.begin(
        "POST", "/v1/run", end=False, **{"content-type": "application/json", "x-request-id": name}
    )
    client.send_data(stream, body, end=True)
    while client.receive()[0] != HEADERS:
        pass
    assert state(balancer, name)["state"] == "answering"
    assert_refused(cancel(balancer, name), 404, "not-found")
    assert balancer.health()["status"] == "ok"
    client.close()
