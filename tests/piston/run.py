#!/usr/bin/env python3
"""Piston's API on the real balancer, worker and VMs: through its published clients as they are, and by hand where those do
not get. Each test is a sentence about the service."""
import json
import os
import subprocess
import sys
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests", "e2e"))

import service as s  # noqa: E402

sys.modules.setdefault("run", sys.modules["__main__"])

CLIENTS = ("piston-client", "piston-api-client", "piston-api-client (node)")
TESTS = []

# A job in an emulated guest on a loaded machine may take longer than the 3 s that Piston allows.
LIMITS = {"run_timeout": 15000, "run_cpu_time": 15000, "compile_timeout": 30000, "compile_cpu_time": 30000}


def test(sentence, each=False):
    """`each`: once with every client, which the function gets as a second argument."""
    def add(function):
        for client in CLIENTS if each else (None,):
            name = f"{client}: {sentence}" if client else sentence
            TESTS.append((name, (lambda service, client=client: function(service, client)) if client else function))
        return function
    return add


class PistonService(s.Service):
    def __init__(self):
        super().__init__(slots=2, warm="gcc:14")
        self.url = f"http://127.0.0.1:{self.port}"

    def spawn(self, *argv):
        if os.path.basename(argv[0]) == "pe-lb":
            argv += tuple(word for name, value in LIMITS.items() for word in ("--piston-limit", f"{name}={value}"))
            argv += ("--cors-origin", "https://page.example")
        return super().spawn(*argv)

    def client(self, client, method, request=None):
        """What a published client makes of a call."""
        argv = ["node", os.path.join(TOP, "tests", "piston", "client.mjs"), client, self.url, method]
        if request is not None:
            argv.append(json.dumps(request))
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                              env=dict(os.environ, PISTON_CLIENTS=os.path.join(s.BUILD, "piston-clients")))
        s.check_equal(done.returncode, 0, done.stderr.decode(errors="replace"))
        answer = json.loads(done.stdout)
        if client == "piston-client":
            return answer
        s.check_equal(answer["success"], True, answer)
        return answer["data"]

    def execute(self, request, content_type="application/json", base="/api/v2", headers=None):
        """The answer by hand."""
        body = request if isinstance(request, (bytes, str)) else json.dumps(request)
        return self.request("POST", base + "/execute", body, {"Content-Type": content_type, **(headers or {})})

    def ran(self, language, *files, **fields):
        """The body of a call by hand that has to be answered with 200."""
        files = [file if isinstance(file, dict) else {"content": file} for file in files]
        answer = self.execute({"language": language, "version": "*", "files": files, **fields})
        s.check_equal(answer.status, 200, answer.body[:500])
        return answer.json()


# The order of import is the order of the run.
import clients_test  # noqa: E402,F401
import answers_test  # noqa: E402,F401
import stages_test  # noqa: E402,F401


def main():
    wanted = os.environ.get("PE_TEST", "")
    chosen = [(sentence, function) for sentence, function in TESTS if wanted in sentence]
    service = PistonService()
    passed = failed = 0
    try:
        service.start()
        for sentence, function in chosen:
            try:
                function(service)
                print(f"ok {sentence}", flush=True)
                passed += 1
            except Exception as error:  # noqa: BLE001: a test may fail in any way
                failed += 1
                print(f"not ok {sentence}\n  {type(error).__name__}: {error}"[:4000], flush=True)
                if not isinstance(error, s.Failure):
                    traceback.print_exc(file=sys.stdout)
                print("  " + "\n  ".join(service.read_log().splitlines()[-8:]), flush=True)
    finally:
        service.stop()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or (not passed and not wanted) else 0)


if __name__ == "__main__":
    main()
