"""Worker hosts as an operator sees them, and how one is taken out of service."""
import tempfile
import time

from harness import Background, Balancer, equal, post, request, test
from slotclient import Closed


def hosts(lb):
    return {host["name"]: host for host in request(lb, "GET", "/v1/hosts").json()["hosts"]}


def drain(lb, name, method="POST", token=None):
    headers = {"Authorization": "Bearer " + token} if token else None
    return request(lb, method, f"/v1/hosts/{name}/drain", headers=headers).status


def gets_nothing(slot):
    try:
        return slot.receive(0.3)
    except (TimeoutError, OSError, Closed):
        return None


@test("a host that an operator drains gets no job until it is taken back")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        equal(hosts(lb)["h1"], {"name": "h1", "slots": 1, "vms": 1, "ready": 1, "running": 0, "images": 1, "stopping": False,
                                "drained": False})
        equal(drain(lb, "h1"), 204)
        equal(hosts(lb)["h1"]["drained"], True)
        pending = Background(post, lb)
        lb.wait_for(queued=1)
        equal(gets_nothing(slot), None)
        equal(drain(lb, "h1", "DELETE"), 204)
        slot.answer(slot.take_job()[0], b"out")
        equal(pending.done().status, 200)
        control.close()


@test("what runs on a host when it is drained is finished there")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        pending = Background(post, lb)
        job, _ = slot.take_job()
        equal(drain(lb, "h1"), 204)
        slot.answer(job, b"out")
        equal(pending.done().form()[1][2], b"out")
        control.close()


@test("jobs go to the other hosts meanwhile, and a drained host stays so when it comes back")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        equal(drain(lb, "h1"), 204)
        other, spare = lb.worker(host="h2")
        pending = Background(post, lb)
        spare.answer(spare.take_job()[0], b"other")
        equal(pending.done().form()[1][2], b"other")
        control.close(), slot.close()
        lb.wait_for(hosts=1)
        control, slot = lb.worker()
        equal(hosts(lb)["h1"]["drained"], True)
        control.close(), other.close()


@test("a host that says it stops is shown so, and gets no job")
def _():
    with Balancer() as lb:
        control, slot = lb.worker()
        control.say(type="hello", host="h1", arch="x86_64", cpu="test", vmm="none", slots=1, vms=1, draining=True, images=[])
        for _ in range(100):
            if hosts(lb)["h1"]["stopping"]:
                break
            time.sleep(0.02)
        equal(hosts(lb)["h1"]["stopping"], True)
        control.close()


@test("hosts are for who has the token, and must exist")
def _():
    with tempfile.NamedTemporaryFile("w", prefix="pe-lb-test-") as file:
        file.write("secret\n")
        file.flush()
        only_with_token(file.name)


def only_with_token(file):
    with Balancer("--token-file", file) as lb:
        control, slot = lb.worker(token="secret")
        equal(request(lb, "GET", "/v1/hosts").problem()["type"], "/problems/unauthorized")
        equal(drain(lb, "h1"), 401)
        equal(drain(lb, "h1", token="wrong"), 401)
        equal(drain(lb, "h1", token="secret"), 204)
        equal(drain(lb, "none", token="secret"), 404)
        equal(drain(lb, "h1", method="PUT", token="secret"), 405)
        control.close()
