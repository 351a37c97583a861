# SPDX-License-Identifier: Apache-2.0
"""Names of files: every allowed name arrives exactly, from every client and in every form of a
result."""
import base64
import json
import os
import random
import subprocess
import urllib.parse

import pytest

from fixtures.http_client import BOUNDARY, JOB, assert_refused, part, read_cpio
from fixtures.pe_run import run, write
from fixtures.waiting import Background

# What encodings of names treat specially: parts of a name are chosen among these.
ODD = [
    "%",
    '"',
    "\\",
    "%22",
    "%0A",
    "%0d",
    "%25",
    "2",
    ";",
    "=",
    "'",
    "*",
    " ",
    "-",
    "/",
    "é",
    "a",
    "=?UTF-8?Q?x?=",
]
HOSTILE = ["\n", "\r", "\t", "\x01", "\x7f", "\udcff", "\udcc3"]  # only names of output files


def odd_names(parts, count=300):
    """Names that proto/path.h allows. They are the same in every run. No two of them are a file and
    its folder."""
    chance = random.Random(16)
    names = set()
    while len(names) < count:
        name = "".join(chance.choice(parts) for _ in range(chance.randrange(1, 9))).strip("/")
        if all(piece not in ("", ".", "..") for piece in name.split("/")):
            names.add(f"{len(names)}/{name}")
    return sorted(names)


def as_browser(name):
    """As WHATWG HTML says: "escape a name"."""
    return name.replace("\n", "%0A").replace("\r", "%0D").replace('"', "%22")


def as_quoted_pairs(name):
    """As Go's mime/multipart, and curl --form-escape."""
    return name.replace("\\", "\\\\").replace('"', '\\"')


def exactly(name):
    return (
        as_browser(name)
        + "\"; filename*=\"UTF-8''"
        + urllib.parse.quote_from_bytes(os.fsencode(name))
    )


def received(files):
    """The names that a slot received. The protocol encodes them."""
    return [urllib.parse.unquote(name, errors="surrogateescape") for name, _ in files]


def names_that_arrive(balancer, slot, sent):
    pending = Background(balancer.post, files=[(name, b"") for name in sent])
    job, files = slot.take_job()
    slot.answer(job)
    assert pending.done().status == 200
    return received(files)


def test_names_of_input_files_arrive_as_their_senders_mean_them(balancer):
    _, slot = balancer.worker()
    names = odd_names(ODD)
    assert names_that_arrive(balancer, slot, map(exactly, names)) == names
    # Browsers write a quote as %22, and %22 as itself. So they cannot send %22.
    sendable = [name for name in names if "%22" not in name]
    assert sum("\\" in name for name in sendable) > 50
    browsers = [name for name in sendable if "\\\\" not in name]
    assert names_that_arrive(balancer, slot, map(as_browser, browsers)) == browsers
    assert names_that_arrive(balancer, slot, map(as_quoted_pairs, sendable)) == sendable


@pytest.mark.parametrize("escape", [[], ["--form-escape"]])
def test_curl_sends_quotes_and_backslashes(balancer, tmp_path, escape):
    _, slot = balancer.worker()
    names = ['q"u.c', "b\\s.c", "100%.c", "end\\", "a%0Ab"]
    for name in names:
        write(f"{tmp_path}/{name}", b"x")
    write(f"{tmp_path}/job.json", json.dumps(JOB).encode())
    quoted = [f'file=@"{as_quoted_pairs(name)}"' for name in names]
    arguments = [option for text in ["job=<job.json", *quoted] for option in ("-F", text)]
    client = Background(
        subprocess.run,
        ["curl", "-sS", *escape, *balancer_for_curl(balancer), *arguments],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    job, files = slot.take_job()
    slot.answer(job)
    client.done()
    assert received(files) == names


def balancer_for_curl(balancer):
    if balancer.address.startswith("unix:"):
        return ["--unix-socket", balancer.address[5:], "http://localhost/v1/run"]
    return [f"http://{balancer.address}/v1/run"]


def test_names_of_output_files_are_exact_in_every_form(balancer):
    _, slot = balancer.worker()
    names = odd_names(ODD + HOSTILE)
    sent = [(urllib.parse.quote_from_bytes(os.fsencode(name)), b"x") for name in names]
    forms = {}
    for accept in "multipart/form-data", "application/json", "application/x-cpio":
        pending = Background(balancer.post, accept=accept)
        slot.answer(slot.take_job()[0], files=sent)
        forms[accept] = pending.done()
    assert multipart_names(forms["multipart/form-data"]) == names
    assert json_names(forms["application/json"]) == names
    entries = read_cpio(forms["application/x-cpio"].body)
    assert [os.fsdecode(name).removeprefix("files/") for name, _, _ in entries[3:]] == names


def multipart_names(response):
    """Of `filename*` if a part has it, and else of `filename`, byte by byte."""
    names = []
    for line in response.body.split(b"\r\n"):
        _, is_file, rest = line.partition(
            b'Content-Disposition: form-data; name="file"; filename="'
        )
        plain, _, exact = rest.partition(b"\"; filename*=UTF-8''")
        if is_file and exact:
            names.append(os.fsdecode(urllib.parse.unquote_to_bytes(exact)))
        elif is_file:
            names.append(os.fsdecode(plain.removesuffix(b'"')))
    return names


def json_names(response):
    """The bytes of a name are in `name_base64` if they are not UTF-8."""
    return [
        os.fsdecode(base64.b64decode(file["name_base64"]))
        if "name_base64" in file
        else file["name"]
        for file in response.json()["files"]
    ]


def test_pe_run_sends_and_saves_every_name_exactly(balancer, tmp_path):
    _, slot = balancer.worker()
    sent, saved = odd_names(ODD), odd_names(ODD + HOSTILE)
    for name in sent:
        write(f"{tmp_path}/in/{name}", name.encode())
    client = Background(
        run,
        "--output",
        f"{tmp_path}/out",
        "gcc:14",
        f"{tmp_path}/in/.",
        PE_SERVER=balancer_for_pe_run(balancer),
    )
    job, files = slot.take_job()
    slot.answer(
        job,
        files=[
            (urllib.parse.quote_from_bytes(os.fsencode(name)), os.fsencode(name)) for name in saved
        ],
    )
    done = client.done()
    assert done.returncode == 0, done.stderr
    assert sorted(received(files)) == sent
    assert all(
        os.fsencode(name) == content
        for name, content in zip(received(files), (c for _, c in files))
    )
    found = []
    for folder, _, names in os.walk(f"{tmp_path}/out"):
        for name in names:
            path = f"{folder}/{name}"
            found.append(os.path.relpath(path, f"{tmp_path}/out"))
            assert open(path, "rb").read() == os.fsencode(found[-1])
    assert sorted(found) == saved


def balancer_for_pe_run(balancer):
    return (
        balancer.address if balancer.address.startswith("unix:") else f"http://{balancer.address}"
    )


def test_a_preamble_in_front_of_the_first_boundary_is_ignored(balancer):
    _, slot = balancer.worker()
    form = part("job", json.dumps(JOB)) + part("file", b"x", "a") + f"--{BOUNDARY}--\r\n".encode()
    for preamble in b"\r\n", b"\r\n\r\n", b"A form in MIME format.\r\n":
        pending = Background(balancer.post, preamble + form)
        job, files = slot.take_job()
        slot.answer(job)
        assert pending.done().status == 200
        assert files == [("a", b"x")]


def test_an_exact_name_is_checked_like_any_other(balancer):
    balancer.worker()
    for name, word in [
        ("../x", "'..'"),
        ("/x", "absolute"),
        ("a\nb", "control"),
        ("\udcff", "UTF-8"),
    ]:
        assert_refused(balancer.post(files=[(exactly(name), b"")]), 422, "invalid-job", word)
    bad = "a\"; filename*=\"ISO-8859-1''a"
    assert_refused(
        balancer.post(files=[(bad, b"")]), 400, "malformed-request", "filename*", "UTF-8''"
    )
