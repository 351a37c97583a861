# SPDX-License-Identifier: Apache-2.0
"""Programs in images that are built on demand: `make languages`. Each image runs the example of its
metadata, and its program in `programs`: it counts the words of its input, prints them in order,
writes the number of different words to a file, and ends with status 3. All are run by the default
command of the image, and once more through Piston's API by the commands of their runtimes."""
import glob
import json
import os

import pytest

from fixtures.paths import IMAGES, TOP

RECIPES = os.path.join(TOP, "image/recipes")
PROGRAMS = {
    "{}:{}".format(*os.path.splitext(os.path.basename(path))[0].rsplit("-", 1)): path
    for path in glob.glob(os.path.join(TOP, "tests/languages/programs/*"))
}
# These cannot read words or write files in the common way, and have a test of their own.
OTHERS = ("jq:1", "nasm:2")
# What programs print to stderr: Debian has built GnuCOBOL with a newer libxml2 than it ships.
WARNINGS = {"cobol:3": b"Warning: program compiled against libxml 212 using older 209\n"}


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def run_program(service, image, input_text):
    assert os.path.exists(f"{IMAGES}/names/{image}.json"), "`make languages` builds the image"
    path = PROGRAMS[image]
    files = [("count" + os.path.splitext(path)[1], read(path)), ("words", input_text)]
    return service.run(image=image, files=files, stdin="words")


@pytest.mark.parametrize("image", sorted({*PROGRAMS} - {*OTHERS}))
def test_a_program_reads_counts_and_writes(service, image):
    job = run_program(service, image, b"pear\napple\npear\n")
    assert job.stdout == b"apple\t1\npear\t2\n", job
    assert (job.status, job.exit_code) == ("exited", 3), job
    assert {name: text.strip() for name, text in job.files.items()} == {"sum": b"2"}, job


def test_a_program_of_jq_filters_its_input(service):
    job = run_program(service, "jq:1", b'["pear", "apple", "pear"]')
    assert json.loads(job.stdout) == {"apple": 1, "pear": 2}, job
    assert job.exit_code == 0, job


def test_an_assembler_program_runs(service):
    job = run_program(service, "nasm:2", b"")
    assert (job.stdout, job.exit_code) == (b"pear\n", 3), job


@pytest.mark.parametrize("image", sorted(PROGRAMS))
def test_the_example_of_the_catalog_says_hello(service, image):
    examples = json.loads(read(f"{RECIPES}/{image.replace(':', '-')}.json"))["examples"]
    example = next(one for one in examples if one["title"] == "Hello")
    text = example.get("text") or read(os.path.join(RECIPES, example["path"]))
    job = service.run(image=image, files=[(example["file"], text)])
    assert b"Hello from " in job.stdout, job
    assert (job.exit_code, job.stderr) in ((0, b""), (0, WARNINGS.get(image))), job


def test_every_language_has_a_program():
    names = sorted(name[:-5] for name in os.listdir(RECIPES) if name.endswith(".json"))
    images = {"{}:{}".format(*name.rsplit("-", 1)) for name in names}
    assert images - {*PROGRAMS} == {"busybox:1.35", "gcc:13", "graphviz:2"}, "without a program"


# ---- the same programs through Piston's API ----


def metadata(image):
    return json.loads(read(f"{RECIPES}/{image.replace(':', '-')}.json"))


def run_in_piston(piston, image, files, **fields):
    """The stages of a program in the runtime that the metadata of an image describes."""
    runtime = metadata(image)["piston"][0]
    request = {"language": runtime["language"], "version": runtime["version"], **fields}
    request["files"] = [{"name": name, "content": content} for name, content in files]
    response = piston.execute(request)
    assert response.status == 200, (image, response.body[:500])
    stages = response.json()
    assert stages["version"] == runtime["version"], stages
    assert stages.get("compile", {"code": 0})["code"] == 0, stages
    assert ("compile" in stages) == ("compile" in runtime), stages
    return stages["run"]


def run_program_in_piston(piston, image, words):
    assert os.path.exists(f"{IMAGES}/names/{image}.json"), "`make languages` builds the image"
    path = PROGRAMS[image]
    files = [("count" + os.path.splitext(path)[1], read(path))]
    if image == "sqlite:3":  # it cannot read stdin; what is compiled must not find other files
        files.append(("words", words))
    return run_in_piston(piston, image, files, stdin=words)


@pytest.mark.parametrize("image", sorted({*PROGRAMS} - {*OTHERS}))
def test_a_program_runs_through_the_api_of_piston(piston, image):
    run = run_program_in_piston(piston, image, "pear\napple\npear\n")
    assert (run["stdout"], run["code"]) == ("apple\t1\npear\t2\n", 3), run


def test_a_program_of_jq_runs_through_the_api_of_piston(piston):
    run = run_program_in_piston(piston, "jq:1", '["pear", "apple", "pear"]')
    assert (json.loads(run["stdout"]), run["code"]) == ({"apple": 1, "pear": 2}, 0), run


def test_an_assembler_program_runs_through_the_api_of_piston(piston):
    run = run_program_in_piston(piston, "nasm:2", "")
    assert (run["stdout"], run["code"]) == ("pear\n", 3), run


def test_piston_lists_each_runtime_of_the_languages(piston):
    listed = {
        (one["language"], one["version"], one.get("runtime"))
        for one in piston.request("GET", "/api/v2/runtimes").json()
    }
    for image in PROGRAMS:
        for one in metadata(image)["piston"]:
            assert (one["language"], one["version"], one.get("runtime")) in listed, image
