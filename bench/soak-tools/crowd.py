# SPDX-License-Identifier: Apache-2.0
"""The clients: each sends one job after the other, again when it got an error, and judges the answers.

A job prints the SHA-256 of its input, and returns the input, so a result is right for one job only."""
import collections
import hashlib
import http.client
import random
import threading
import time
import uuid

from fixtures.http_client import FORM, Connection, Response, job_body
from fixtures.service import Job

TRIES, PAUSE_S, PATIENCE_S = 12, 1, 150
SCRIPT = "sleep {}; sha256sum <input; cat input >/output/copy; exit {}"


class Puzzle:
    def __init__(self, seed, number):
        chance = random.Random(f"{seed}/{number}")
        size = chance.choices([1000, 60_000, 1_500_000], [90, 8, 2])[0]
        self.number, self.exit_code = number, number % 7
        self.content = chance.randbytes(size)
        script = SCRIPT.format(round(chance.random() ** 3, 2), self.exit_code)
        job = {"image": "busybox:1.35", "cmd": ["sh", "-c", script], "timeout_ms": 30000}
        self.body = job_body({**job, "cache": number % 5 == 0}, [("input", self.content)])

    def is_answered_by(self, job):
        printed = hashlib.sha256(self.content).hexdigest().encode() + b"  -\n"
        got = job.status, job.exit_code, job.stdout, job.stderr, job.files
        return got == ("exited", self.exit_code, printed, b"", {"copy": self.content})


class Answer:
    """What came of one try: `kind` is "right", "wrong", or the kind of an error."""

    def __init__(self, kind, why=""):
        self.kind, self.why = kind, why


class Client:
    """One client with a connection that it keeps. An answer too many would be taken for that of the
    next request, and has another X-Request-Id than that one."""

    def __init__(self, address):
        self.address, self.connection = address, None

    def forget(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def send(self, puzzle, name):
        self.connection = self.connection or Connection(self.address, PATIENCE_S)
        headers = {"Content-Type": FORM, "X-Request-Id": name}
        self.connection.request("POST", "/v1/run", puzzle.body, headers)
        return Response(self.connection.getresponse())

    def ask(self, puzzle, name):
        try:
            response = self.send(puzzle, name)
        except TimeoutError:
            self.forget()
            return Answer("no answer", f"nothing within {PATIENCE_S} s")
        except http.client.IncompleteRead:
            self.forget()
            return Answer("response cut off")
        except (OSError, http.client.HTTPException) as error:
            self.forget()
            return Answer("connection lost", type(error).__name__)
        if response.headers["X-Request-Id"] not in (name, None):
            return Answer("wrong", "an answer to another request")
        return judge(puzzle, response)


def judge(puzzle, response):
    if response.status != 200:
        problem = response.problem()
        return Answer(f"{response.status} {problem['type'].split('/')[-1]}", problem["detail"])
    job = Job(response)
    if puzzle.is_answered_by(job):
        return Answer("right")
    if job.status == "vm_error" and job.exit_code is None and not job.stdout and not job.files:
        return Answer("vm_error", job.fields.get("reason", ""))
    return Answer("wrong", f"{job!r}"[:500])


class Crowd:
    """Clients that share the jobs 0, 1, 2, …

    With a `rate`, jobs per second, a job is due at a random time that does not depend on the answers (unless
    all clients wait for one), and its time begins then. Otherwise a client sends its next job when it has an
    answer."""

    def __init__(self, address, jobs, clients, seed, faults, rate=0):
        self.address, self.jobs, self.seed, self.faults = address, jobs, seed, faults
        self.rate, self.gaps, self.due = rate, random.Random(seed), time.monotonic()
        self.times = []  # (when it was due, seconds until the right answer)
        self.lock, self.next, self.stopping = threading.Lock(), 0, False
        self.errors, self.tries = collections.Counter(), collections.Counter()
        self.right, self.given_up, self.wrong, self.unexplained = 0, [], [], []
        self.names, self.last_right = [], time.monotonic()
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def work(self):
        client = Client(self.address)
        while (taken := self.take()) is not None:
            number, due = taken
            self.solve(client, Puzzle(self.seed, number), due)
            if self.rate:  # what a fault does to an idle connection would be seen long after the fault
                client.forget()
        client.forget()

    def take(self):
        """The number of the next job, and when it is due; this waits until then. None: there are no more."""
        with self.lock:
            if self.stopping or self.next == self.jobs:
                return None
            number, self.next = self.next, self.next + 1
            self.due = self.due + self.gaps.expovariate(self.rate) if self.rate else time.monotonic()
            due = self.due
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
            if self.stopping:
                with self.lock:
                    self.next -= 1
                return None
        return number, due

    def solve(self, client, puzzle, due):
        for number in range(1, TRIES + 1):
            name, began = uuid.uuid4().hex, time.monotonic()
            answer = client.ask(puzzle, name)
            self.note(puzzle, answer, name, began)
            if answer.kind in ("right", "wrong"):
                self.tries[number] += 1
                self.times.append((due, time.monotonic() - due))
                return
            time.sleep(PAUSE_S)
        with self.lock:
            self.given_up.append((puzzle.number, answer.kind, answer.why))

    def note(self, puzzle, answer, name, began):
        with self.lock:
            self.names.append(name)
            if answer.kind == "right":
                self.right, self.last_right = self.right + 1, time.monotonic()
            elif answer.kind == "wrong":
                self.wrong.append((puzzle.number, answer.why))
            else:
                self.errors[answer.kind] += 1
                if not self.faults.explain(began, time.monotonic()):
                    self.unexplained.append((puzzle.number, answer.kind, answer.why))

    def done(self):
        return self.right + len(self.wrong) + len(self.given_up)

    def is_busy(self):
        return any(thread.is_alive() for thread in self.threads)
