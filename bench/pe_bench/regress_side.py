#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""One side of pe-bench regress: a service of one build, which runs a job for each line of standard input.

    PE_BUILD=BUILD PE_HOME=BUILD regress_side.py IMAGE [ENGINE]

It is a process of its own because the environment chooses the build. A line is a job in JSON, with `cmd` and
`files`; the answer is a line {"ms", "made_ms"}: the job in a warm VM, and how long the making of that VM took."""
import json
import os
import re
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(HERE), os.path.join(os.path.dirname(os.path.dirname(HERE)), "tests")]

from fixtures import processes  # noqa: E402
from fixtures.http_client import job_body  # noqa: E402
from fixtures.service import Job  # noqa: E402
from fixtures.warm_host import WarmHost  # noqa: E402

REST_S = 0.5  # of a VM that is warm, so that it is at rest and has been prewarmed


def say(answer):
    print(json.dumps(answer), flush=True)


def made_ms(host):
    """How long the worker says that the last VM took."""
    found = re.findall(re.escape(host.line) + r" after (\d+) ms", host.service.worker.log())
    return int(found[-1]) if found else None


def run_job(host, image, job):
    host.await_warm()
    time.sleep(REST_S)
    made = made_ms(host)
    body = job_body({"image": image, "cmd": job["cmd"], "cache": False, "timeout_ms": 60000}, job["files"])
    began = time.monotonic()
    answer = host.service.post(body)
    ms = (time.monotonic() - began) * 1000
    result = Job(answer)
    if (result.status, result.exit_code) != ("exited", 0):
        return {"failure": f"the job ended with {result.status}, exit code {result.exit_code}"}
    return {"ms": ms, "made_ms": made}


def on_terminate(_number, _frame):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what follows is the end of the service
    sys.exit(1)


def main(image, engine=None):
    processes.adopt_orphans()
    signal.signal(signal.SIGTERM, on_terminate)
    host = WarmHost(engine, image)
    try:
        say({"ready": True})
        for line in sys.stdin:
            say(run_job(host, image, json.loads(line)))
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        host.close()


main(*sys.argv[1:])
