# SPDX-License-Identifier: Apache-2.0
"""What people do with Piston's published clients."""
import pytest


@pytest.fixture(params=["piston-client", "piston-api-client", "piston-api-client (node)"])
def client(request):
    """The name of a published client of Piston's API."""
    return request.param


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


def run(piston, client, language, code, **fields):
    """Every client can be given whole requests; piston-client takes limits by names of its own."""
    if client == "piston-client":
        names = {
            "run_timeout": "runTimeout",
            "run_memory_limit": "runMemoryLimit",
            "compile_timeout": "compileTimeout",
        }
        fields = {names.get(name, name): value for name, value in fields.items()}
    else:
        fields.setdefault("version", "*")
    return piston.client(
        client, "execute", {"language": language, "files": [{"content": code}], **fields}
    )


def test_a_client_lists_the_runtimes(piston, client):
    runtimes = piston.client(client, "runtimes")
    listed = {(r["language"], r.get("runtime")) for r in runtimes}
    assert listed >= {
        ("c", "gcc"),
        ("python", None),
    }, runtimes  # and those of other images that are there
    for runtime in runtimes:
        assert runtime["version"].count(".") == 2 and isinstance(runtime["aliases"], list), runtime


def test_a_client_runs_a_c_program_with_arguments_and_standard_input(piston, client):
    answer = run(piston, client, "c", ECHO, args=["a b", "", "*"], stdin="one\ntwo")
    assert answer["compile"]["code"] == 0, answer
    assert answer["compile"]["output"] == "", answer
    assert answer["run"]["stdout"] == "read one\nread two\n<a b><><*>"
    assert answer["run"]["stderr"] == "done\n"
    assert answer["run"]["code"] == 0
    assert answer["run"]["signal"] is None
    assert answer["run"]["output"] == "read one\nread two\n<a b><><*>done\n"
    assert answer["language"] == "c"


def test_a_client_runs_a_python_program_that_exits_with_an_error(piston, client):
    answer = run(
        piston,
        client,
        "python",
        "import sys\nprint(sys.argv[1:], input())\nsys.exit(3)",
        args=["x"],
        stdin="y",
    )
    assert "compile" not in answer, answer
    assert answer["run"]["stdout"] == "['x'] y\n"
    assert answer["run"]["code"] == 3
    assert answer["run"]["signal"] is None
    assert answer["run"]["status"] == "RE"


def test_a_client_sees_the_errors_of_the_compiler(piston, client):
    answer = run(piston, client, "c", "int main(void) { return nothing; }\n")
    assert "nothing" in answer["compile"]["stderr"] and answer["compile"]["code"] == 1, answer
    assert answer["run"] == answer["compile"]


def test_a_client_sees_the_signal_that_ended_a_program(piston, client):
    answer = run(piston, client, "c", "#include <stdlib.h>\nint main(void) { abort(); }\n")
    assert answer["run"]["signal"] == "SIGABRT", answer
    assert answer["run"]["code"] is None, answer


def test_a_client_sees_that_a_program_outlived_its_limit_and_what_it_printed(piston, client):
    answer = run(
        piston, client, "python", "print('begun', flush=True)\nwhile True: pass", run_timeout=8000
    )
    assert answer["run"]["stdout"] == "begun\n", answer
    assert answer["run"]["signal"] == "SIGKILL", answer
    assert answer["run"]["status"] == "TO"
    assert answer["run"]["code"] is None


def test_a_client_gets_an_error_for_an_unknown_runtime(piston, client):
    answer = run(piston, client, "brainfork", "x", version="1.0.0")
    assert answer == {"message": "brainfork-1.0.0 runtime is unknown"}


def test_a_client_gets_an_error_for_an_invalid_field(piston, client):
    answer = run(piston, client, "python", "x", version="3.x", run_timeout=15001)
    assert answer == {"message": "run_timeout cannot exceed the configured limit of 15000"}
    answer = run(piston, client, "python", "x", version="3.x", files=[{"name": "a"}])
    assert answer == {"message": "files[0].content is required as a string"}


def test_piston_client_runs_code_that_is_given_as_language_and_text(piston):
    # Its own form, in which it sends the arguments 1, 2 and 3 by itself.
    answer = piston.client(
        "piston-client",
        "execute",
        {"language": "python", "files": [{"content": "import sys; print(sys.argv[1:])"}]},
    )
    assert answer["run"]["stdout"] == "['1', '2', '3']\n"
