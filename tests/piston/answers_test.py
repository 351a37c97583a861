"""Answers field by field, as Piston documents them, and what clients in other languages may send."""
import base64
import json

import service as s
from run import test

STAGE = {"stdout": str, "stderr": str, "output": str, "code": (int, type(None)), "signal": (str, type(None)),
         "message": (str, type(None)), "status": (str, type(None)), "cpu_time": (int, float), "wall_time": (int, float),
         "memory": int}


def check_stage(stage):
    s.check_equal(sorted(stage), sorted(STAGE), "fields of a stage")
    for name, types in STAGE.items():
        s.check(isinstance(stage[name], types), name, stage[name])


def refused(answer, status, message):
    s.check_equal((answer.status, answer.headers["content-type"]), (status, "application/json"), answer.body[:300])
    s.check_equal(answer.json(), {"message": message})


@test("an answer has exactly the fields that are documented")
def _(service):
    answer = service.ran("gcc", "int main(void) { return 0; }")
    s.check_equal(sorted(answer), ["compile", "language", "run", "version"])
    for stage in answer["compile"], answer["run"]:
        check_stage(stage)
        s.check_equal((stage["code"], stage["signal"], stage["message"], stage["status"]), (0, None, None, None))
    s.check_equal(sorted(service.ran("py", "")), ["language", "run", "version"])


@test("each stage has its own time and memory")
def _(service):
    code = """#include <stdlib.h>
#include <string.h>
#include <time.h>
int main(void)
{
    memset(malloc(200u << 20), 1, 200u << 20);
    nanosleep(&(struct timespec){1, 0}, NULL);
    while (clock() < CLOCKS_PER_SEC)
        ;
}
"""
    answer = service.ran("c", code)
    compile_, run = answer["compile"], answer["run"]
    s.check(run["memory"] > 200 << 20 and compile_["memory"] < 100 << 20, answer)
    s.check(run["cpu_time"] >= 990 and run["wall_time"] >= run["cpu_time"] + 900, answer)
    s.check(0 < compile_["cpu_time"] <= compile_["wall_time"] * 1.1, answer)


@test("output is both streams in the order of their arrival")
def _(service):
    code = "import os, time\nfor i in range(6):\n    os.write(1 + i % 2, b'%d' % i)\n    time.sleep(.05)"
    run = service.ran("python", code)["run"]
    s.check_equal((run["output"], run["stdout"], run["stderr"]), ("012345", "024", "135"))


@test("a program over its memory meets the OOM killer, one below it does not")
def _(service):
    code = "import sys\nx = b'1' * (int(sys.argv[1]) << 20)\nprint(len(x) >> 20)"
    run = service.ran("python", code, args=["300"], run_memory_limit=100_000_000)["run"]
    s.check_equal((run["signal"], run["code"], run["status"]), ("SIGKILL", None, "SG"), run)
    run = service.ran("python", code, args=["300"], run_memory_limit=-1)["run"]
    s.check_equal((run["stdout"], run["code"]), ("300\n", 0), run)


@test("a compiler over its memory fails the compilation")
def _(service):
    answer = service.ran("c", "int main(void) { return 0; }", compile_memory_limit=4_000_000)
    s.check(answer["compile"]["status"] in ("RE", "SG") and answer["compile"]["code"] != 0, answer)
    s.check_equal(answer["run"], answer["compile"])


@test("CPU time is that of all processes of a stage, and has a limit of its own")
def _(service):
    code = "import os\nfor _ in range(3): os.fork()\nwhile True: pass"
    run = service.ran("python", code, run_cpu_time=2500)["run"]
    s.check_equal((run["status"], run["signal"], run["message"]), ("TO", "SIGKILL", "Time limit exceeded"), run)
    s.check(2400 <= run["cpu_time"] <= run["wall_time"] * 1.1, run)


@test("a program that prints too much is ended, and what fits is there")
def _(service):
    for stream, status, message in ("stdout", "OL", "stdout length exceeded"), ("stderr", "EL", "stderr length exceeded"):
        run = service.ran("python", f"import sys\nwhile True: print('x' * 99, file=sys.{stream})")["run"]
        s.check_equal((run["status"], run["message"], run["signal"], run["code"]), (status, message, "SIGKILL", None))
        s.check_equal(len(run[stream]), 65536)


@test("a program that kills every process it can is told as killed")
def _(service):
    run = service.ran("python", "import os\nprint('on', flush=True)\nos.kill(-1, 9)")["run"]
    s.check_equal((run["stdout"], run["signal"], run["status"]), ("on\n", "SIGKILL", "SG"), run)


@test("files have names, folders and encodings, and stdin is not one of them")
def _(service):
    code = "import os\nfor folder, _, names in sorted(os.walk('.')):\n    for name in sorted(names):\n" \
           "        print(os.path.join(folder, name), open(os.path.join(folder, name), 'rb').read()[:4])"
    data = base64.b64encode(b"\0\xff\n").decode()
    run = service.ran("python", {"name": "main.py", "content": code}, {"name": "d/./e", "content": data, "encoding": "base64"},
                      {"name": "h", "content": "00ff0a", "encoding": "hex"}, {"content": "é"}, stdin="input")["run"]
    s.check_equal(run["stdout"].splitlines(), [
        "./file3.code b'\\xc3\\xa9'", "./h b'\\x00\\xff\\n'", "./main.py b'impo'", "./d/e b'\\x00\\xff\\n'"])


@test("several C files and their headers are compiled together")
def _(service):
    answer = service.ran("c", {"name": "main.c", "content": '#include "lib/f.h"\nint main(void) { return f(); }'},
                         {"name": "lib/f.c", "content": '#include "f.h"\nint f(void) { return 42; }'},
                         {"name": "lib/f.h", "content": "int f(void);"})
    s.check_equal(answer["run"]["code"], 42, answer)


@test("every call runs anew")
def _(service):
    code = "import random; print(random.random())"
    s.check(service.ran("python", code)["run"]["stdout"] != service.ran("python", code)["run"]["stdout"], "the same number")


@test("versions are chosen by npm's rules, and the answer names the language and the version")
def _(service):
    for version in "*", "3", "3.x", "^3.1", ">=3.2 <4", "2 || 3":
        answer = service.execute({"language": "python3", "version": version, "files": [{"content": ""}]})
        s.check_equal((answer.status, answer.json().get("language")), (200, "python"), (version, answer.body[:300]))
        s.check(answer.json()["version"].startswith("3."), answer.body)
    refused(service.execute({"language": "py", "version": "4", "files": [{"content": ""}]}), 400, "py-4 runtime is unknown")


@test("a runtime's version is that of its program")
def _(service):
    runtimes = [(r["language"], r["version"]) for r in service.request("GET", "/api/v2/runtimes").json()]
    gcc = service.run(["gcc", "-dumpfullversion"], "gcc:14").stdout.decode().strip()
    python = service.run(["python3", "--version"], "python:3").stdout.decode().split()[1]
    s.check(("c", gcc) in runtimes and ("python", python) in runtimes, runtimes, gcc, python)


@test("what is wrong is said with Piston's status and text")
def _(service):
    good = {"language": "python", "version": "*", "files": [{"content": ""}]}
    for change, message in [
            ({"language": None}, "language is required as a string"), ({"version": 3}, "version is required as a string"),
            ({"files": "x"}, "files is required as an array"),
            ({"files": [{"content": "", "encoding": "hex"}]}, "files must include at least one utf8 encoded file"),
            ({"language": "html", "version": "5.0.0"}, "html-5.0.0 runtime is unknown"),
            ({"run_timeout": 15001}, "run_timeout cannot exceed the configured limit of 15000"),
            ({"run_timeout": "1"}, "If specified, run_timeout must be a number"),
            ({"run_timeout": -1}, "run_timeout must be non-negative"),
            ({"compile_timeout": 30001}, "compile_timeout cannot exceed the configured limit of 30000")]:
        refused(service.execute({**good, **change}), 400, message)
    refused(service.execute(good, "application/x-www-form-urlencoded"), 415, "requests must be of type application/json")
    refused(service.request("POST", "/api/v2/execute", json.dumps(good)), 415, "requests must be of type application/json")
    for path in "/api/v2/execute", "/api/v2/", "/api/v2/none", "/api/v2/piston/execute":
        refused(service.request("GET", path), 404, "Not Found")


@test("a body that is no JSON or too large has a message and shows no stack")
def _(service):
    for body, status in (b"{", 400), (b"x" * (4 << 20) + b"x", 413):
        answer = service.execute(body)
        s.check_equal((answer.status, list(answer.json())), (status, ["message"]))


@test("the public instance's paths work as well")
def _(service):
    s.check_equal(service.request("GET", "/api/v2/piston/runtimes").json(), service.request("GET", "/api/v2/runtimes").json())
    answer = service.execute({"language": "py", "version": "3", "files": [{"content": "print(1)"}]}, base="/api/v2/piston")
    s.check_equal(answer.json()["run"]["stdout"], "1\n")


@test("packages are listed and not changed, and there is nothing to connect to")
def _(service):
    packages = service.request("GET", "/api/v2/packages").json()
    s.check({(p["language"], p["installed"]) for p in packages} >= {("gcc", True), ("python", True)}, packages)
    for method in "POST", "DELETE":
        answer = service.request(method, "/api/v2/packages", "{}", {"Content-Type": "application/json"})
        s.check_equal((answer.status, list(answer.json())), (403, ["message"]))
    s.check_equal(service.request("GET", "/api/v2/connect").status, 501)


@test("pages of allowed origins may call it")
def _(service):
    origin = {"Origin": "https://page.example"}
    answer = service.request("OPTIONS", "/api/v2/execute", headers=origin)
    s.check_equal((answer.status, answer.headers.get("access-control-allow-methods")), (204, "POST"))
    answer = service.request("GET", "/api/v2/runtimes", headers=origin)
    s.check_equal(answer.headers.get("access-control-allow-origin"), "https://page.example")


@test("answers are as /openapi.json says")
def _(service):
    import subprocess
    document = service.request("GET", "/openapi.json").json()
    answers = [("PistonRuntimes", service.request("GET", "/api/v2/runtimes").json()),
               ("PistonPackages", service.request("GET", "/api/v2/packages").json()),
               ("PistonMessage", service.execute("{}").json()),
               ("PistonAnswer", service.ran("c", "int main(void) { return 1; }")),
               ("PistonAnswer", service.ran("c", "x")),
               ("PistonAnswer", service.ran("python", "import os; os.kill(-1, 9)")),
               ("PistonRequest", {"language": "c", "version": "*", "files": [{"content": ""}], "run_timeout": 1})]
    check = "import json, sys, jsonschema\ndocument, answers = json.load(sys.stdin)\nfor name, value in answers:\n" \
            "    schema = {'$ref': '#/components/schemas/' + name, 'components': document['components']}\n" \
            "    jsonschema.Draft202012Validator(schema).validate(value)\n    print('valid', name)"
    done = subprocess.run(["/usr/bin/python3", "-c", check], input=json.dumps([document, answers]), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    s.check_equal((done.returncode, done.stdout.count("valid")), (0, len(answers)), done.stderr[-1500:])
