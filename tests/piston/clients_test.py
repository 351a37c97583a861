"""What people do with Piston's clients."""
import service as s
from run import test

ECHO = """#include <stdio.h>
int main(int argc, char **argv)
{
    char line[64] = "";
    while (fgets(line, sizeof line, stdin))
        printf("read %s", line);
    for (int i = 1; i < argc; i++)
        printf("<%s>", argv[i]);
    fflush(stdout);
    fputs("done\\n", stderr);
    return 0;
}
"""


def run(service, client, language, code, **fields):
    """Every client can be given whole requests; piston-client takes limits by names of its own."""
    if client == "piston-client":
        names = {"run_timeout": "runTimeout", "run_memory_limit": "runMemoryLimit", "compile_timeout": "compileTimeout"}
        fields = {names.get(name, name): value for name, value in fields.items()}
    else:
        fields.setdefault("version", "*")
    return service.client(client, "execute", {"language": language, "files": [{"content": code}], **fields})


@test("lists the runtimes", each=True)
def _(service, client):
    runtimes = service.client(client, "runtimes")
    listed = {(r["language"], r.get("runtime")) for r in runtimes}
    s.check(listed >= {("c", "gcc"), ("python", None)}, runtimes)  # and those of other images that are there
    for runtime in runtimes:
        s.check(runtime["version"].count(".") == 2 and isinstance(runtime["aliases"], list), runtime)


@test("runs a C program with arguments and standard input", each=True)
def _(service, client):
    answer = run(service, client, "c", ECHO, args=["a b", "", "*"], stdin="one\ntwo")
    s.check_equal((answer["compile"]["code"], answer["compile"]["output"]), (0, ""), answer)
    s.check_equal(answer["run"]["stdout"], "read one\nread two\n<a b><><*>")
    s.check_equal((answer["run"]["stderr"], answer["run"]["code"], answer["run"]["signal"]), ("done\n", 0, None))
    s.check_equal(answer["run"]["output"], "read one\nread two\n<a b><><*>done\n")
    s.check_equal(answer["language"], "c")


@test("runs a Python program that exits with an error", each=True)
def _(service, client):
    answer = run(service, client, "python", "import sys\nprint(sys.argv[1:], input())\nsys.exit(3)", args=["x"], stdin="y")
    s.check("compile" not in answer, answer)
    s.check_equal(answer["run"]["stdout"], "['x'] y\n")
    s.check_equal((answer["run"]["code"], answer["run"]["signal"], answer["run"]["status"]), (3, None, "RE"))


@test("sees what the compiler says of a program that does not compile", each=True)
def _(service, client):
    answer = run(service, client, "c", "int main(void) { return nothing; }\n")
    s.check("nothing" in answer["compile"]["stderr"] and answer["compile"]["code"] == 1, answer)
    s.check_equal(answer["run"], answer["compile"])


@test("sees the signal that ended a program", each=True)
def _(service, client):
    answer = run(service, client, "c", "#include <stdlib.h>\nint main(void) { abort(); }\n")
    s.check_equal((answer["run"]["signal"], answer["run"]["code"]), ("SIGABRT", None), answer)


@test("sees that a program outlived its time, and what it had printed", each=True)
def _(service, client):
    answer = run(service, client, "python", "print('begun', flush=True)\nwhile True: pass", run_timeout=4000)
    s.check_equal((answer["run"]["stdout"], answer["run"]["signal"]), ("begun\n", "SIGKILL"), answer)
    s.check_equal((answer["run"]["status"], answer["run"]["code"]), ("TO", None))


@test("is told of a runtime that is not there", each=True)
def _(service, client):
    answer = run(service, client, "brainfork", "x", version="1.0.0")
    s.check_equal(answer, {"message": "brainfork-1.0.0 runtime is unknown"})


@test("is told of a field that is wrong", each=True)
def _(service, client):
    answer = run(service, client, "python", "x", version="3.x", run_timeout=15001)
    s.check_equal(answer, {"message": "run_timeout cannot exceed the configured limit of 15000"})
    answer = run(service, client, "python", "x", version="3.x", files=[{"name": "a"}])
    s.check_equal(answer, {"message": "files[0].content is required as a string"})


@test("piston-client: runs code that is given as language and text")
def _(service):
    # Its own form, in which it sends the arguments 1, 2 and 3 by itself.
    answer = service.client("piston-client", "execute", {"language": "python", "files": [{"content": "import sys; print(sys.argv[1:])"}]})
    s.check_equal(answer["run"]["stdout"], "['1', '2', '3']\n")
