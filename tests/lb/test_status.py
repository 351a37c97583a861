"""GET /v1/jobs/ID: what a client that waits can know about its job."""
import json
import secrets
import time

from harness import BOUNDARY, JOB, Background, Balancer, equal, eventually, job_body, post, request, test
from slotclient import Host, Slot
from test_operation import validate
from test_requests import refused


def post_as(lb, name, job=JOB, **headers):
    return request(lb, "POST", "/v1/run", job_body(job),
                   {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "X-Request-Id": name, **headers})


def state(lb, name):
    """What is told about a job, checked against the API's description."""
    answer = request(lb, "GET", "/v1/jobs/" + name)
    equal((answer.status, answer.headers["Cache-Control"]), (200, "no-store"))
    document = request(lb, "GET", "/openapi.json").body
    validate(lb.folder.name, document, [("JobState", answer.json())])
    return answer.json()


@test("a job sent with an X-Request-Id tells its place in the queue, that it runs, and then nothing more")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        names = [secrets.token_hex(16) for _ in range(3)]
        calls = []
        for count, name in enumerate(names):
            calls.append(Background(post_as, lb, name))
            lb.wait_for(queued=count + 1)
        places = [state(lb, name) for name in names]
        equal([(place["state"], place["position"]) for place in places], [("queued", 1), ("queued", 2), ("queued", 3)])
        equal(places[0]["wait_ms"] < places[2]["wait_ms"], True, places)
        slot = Slot(lb.address)
        job, _ = slot.take_job()
        equal(job["id"], names[0], "the id that the worker knows")
        first = state(lb, names[0])
        equal((first["state"], first["position"], first["running_ms"] >= 0), ("running", None, True))
        equal(state(lb, names[2])["position"], 2)
        slot.answer(job)
        equal(calls[0].done().headers["X-Request-Id"], names[0])
        refused(request(lb, "GET", "/v1/jobs/" + names[0]), 404, "not-found")
        for _ in names[1:]:
            slot.answer(slot.take_job()[0])
        equal([call.done().status for call in calls], [200] * 3)
        control.close()


@test("requests that share one job are told the same about it")
def _():
    with Balancer() as lb:
        control = Host(lb.address)
        lb.wait_for(hosts=1)
        names = [secrets.token_hex(16) for _ in range(2)]
        same = {**JOB, "cache": True}
        first = Background(post_as, lb, names[0], same)
        lb.wait_for(queued=1)
        slot = Slot(lb.address)
        job, _ = slot.take_job()
        second = Background(post_as, lb, names[1], same)
        eventually(lambda: request(lb, "GET", "/v1/jobs/" + names[1]).status == 200, "the second request", 5)
        eventually(lambda: state(lb, names[1])["state"] == "running", "it has joined", 5)
        slot.answer(job)
        equal([first.done().status, second.done().status], [200, 200])
        control.close()


@test("a job can be asked for by no id that its client did not choose at random")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        taken = secrets.token_hex(16)
        holder = Background(post_as, lb, taken)
        job, _ = slot.take_job()
        for name in ("", "1", "g" * 32, "A" * 32, "a" * 31, "a" * 33, "../" + "a" * 29):
            answer = Background(post_as, lb, name, {**JOB, "image": "none:1"}).done()
            equal((answer.headers["X-Request-Id"] != name, len(answer.headers["X-Request-Id"])), (True, 32), name)
            refused(request(lb, "GET", "/v1/jobs/" + name), 404, "not-found")
        again = post_as(lb, taken, {**JOB, "image": "none:1"})
        equal(again.headers["X-Request-Id"] != taken, True, "an id that another request has")
        equal(state(lb, taken)["state"], "running", "the first one's")
        slot.answer(job)
        given = holder.done().headers["X-Request-Id"]
        equal(given, taken)
        own = Background(post, lb)
        job, _ = slot.take_job()
        refused(request(lb, "GET", "/v1/jobs/" + job["id"]), 404, "not-found")
        slot.answer(job)
        equal(own.done().status, 200)
        control.close()


@test("whoever asks how jobs are doing too often gets 429, and may go on a second later")
def _():
    with Balancer("--trusted-proxy", "unix") as lb:
        def ask(address="192.0.2.1"):
            return request(lb, "GET", "/v1/jobs/" + "0" * 32, headers={"X-Forwarded-For": address}).status
        answers = [ask() for _ in range(60)]
        equal((answers[0], answers[-1]), (404, 429))
        equal(ask("192.0.2.2"), 404, "another address")
        time.sleep(1)
        equal(ask(), 404)
        equal(json.loads(request(lb, "GET", "/healthz").body)["status"], "ok")
