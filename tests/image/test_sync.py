# SPDX-License-Identifier: Apache-2.0
"""`pe-image sync`: only what is missing is fetched, also after interruptions, and nothing else than the image
ever appears in the store."""
import glob
import json
import os
import signal
import ssl
import subprocess
import threading

import pytest

from fixtures.certificates import make_certificate
from fixtures.image_server import ImageServer
from fixtures.pe_image import PE_IMAGE, imported, make_tar, member, run
from fixtures.waiting import eventually


@pytest.fixture
def rootfs(tmp_path):
    """The rootfs of the image a:1 in the store that is served, with more than 3 MiB."""
    return imported(tmp_path, make_tar([member("usr/f", os.urandom(3 << 20))]), "a:1")


def sync(tmp_path, server, *arguments, env=None):
    options = ["--json", "--store", f"{tmp_path}/mine"]
    return run("sync", *options, server.url, *arguments, env=env)


def is_complete(tmp_path):
    verified = run("verify", "--store", f"{tmp_path}/mine", "a:1").returncode == 0
    return verified and not parts(tmp_path)


def parts(tmp_path):
    return glob.glob(f"{tmp_path}/mine/.part-*")


def test_a_connection_that_breaks_again_and_again_costs_no_byte_twice(tmp_path, rootfs):
    size = os.path.getsize(rootfs)
    cuts = [1000000, 700000, 300000]
    with ImageServer(f"{tmp_path}/store", cut=cuts) as server:
        done = sync(tmp_path, server)
        assert done.returncode == 0, done.stderr
        starts = [None, "bytes=1000000-", "bytes=1700000-", "bytes=2000000-"]
        assert server.rootfs_requests() == starts
        index = os.path.getsize(f"{tmp_path}/store/index.json")
        assert server.sent == size + index
    assert is_complete(tmp_path)


def test_a_store_that_vanishes_in_the_middle_is_named_and_the_next_sync_continues(tmp_path, rootfs):
    with ImageServer(f"{tmp_path}/store", cut=[1000000, 0, 0, 0]) as server:
        done = sync(tmp_path, server)
    assert done.returncode == 1
    assert b"cannot fetch " + server.url.encode() in done.stderr
    assert b"1.0 of " in done.stderr and b"the same command continues there" in done.stderr
    assert json.loads(run("ls", "--json", "--store", f"{tmp_path}/mine").stdout) == []
    with ImageServer(f"{tmp_path}/store") as server:
        assert sync(tmp_path, server).returncode == 0
        assert server.rootfs_requests() == ["bytes=1000000-"]
    assert is_complete(tmp_path)


class StandingStill(ImageServer):
    """Sends the beginning of a rootfs, and then nothing, on a connection that stays."""

    def answer(self, request):
        if not request.path.endswith("rootfs.squashfs"):
            return super().answer(request)
        self.requests.append((request.path, request.headers.get("Range")))
        request.send_response(206 if request.headers.get("Range") else 200)
        request.send_header("Content-Length", "3000000")
        request.send_header("Content-Range", "bytes 1000000-3999999/4000000")
        request.end_headers()
        if not request.headers.get("Range"):
            request.wfile.write(bytes(1000000))
            request.wfile.flush()
        threading.Event().wait(60)
        return None


def test_a_store_that_stands_still_is_given_up_with_what_to_do_and_nothing_appears(tmp_path, rootfs):
    with StandingStill(f"{tmp_path}/store") as server:
        done = sync(tmp_path, server, "--stall", "1")
        assert len(server.rootfs_requests()) >= 3, "it was tried again"
    assert done.returncode == 1
    assert b"has sent less than 1 KiB/s for 1 s" in done.stderr and b"--stall" in done.stderr
    assert b"1.0 of " in done.stderr and b"the same command continues there" in done.stderr
    assert json.loads(run("ls", "--json", "--store", f"{tmp_path}/mine").stdout) == []


def test_a_sync_that_was_killed_continues_and_another_one_at_the_same_time_is_refused(
    tmp_path, rootfs
):
    release = threading.Event()

    class Slow(ImageServer):
        def answer(self, request):
            if request.path.endswith("rootfs.squashfs") and not release.is_set():
                request.send_response(200)
                request.send_header("Content-Length", str(os.path.getsize(rootfs)))
                request.end_headers()
                with open(rootfs, "rb") as file:
                    request.wfile.write(file.read(1 << 20))
                release.wait(180)
                return
            super().answer(request)

    with Slow(f"{tmp_path}/store") as server:
        command = [PE_IMAGE, "sync", "--store", f"{tmp_path}/mine", server.url]
        first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        arrived = lambda: parts(tmp_path) and os.path.getsize(parts(tmp_path)[0]) == 1 << 20
        eventually(arrived, "1 MiB has arrived")
        second = sync(tmp_path, server)
        assert second.returncode == 1 and b"another process is fetching a:1" in second.stderr
        first.send_signal(signal.SIGKILL)
        first.wait()
        release.set()
        assert sync(tmp_path, server).returncode == 0
        assert server.rootfs_requests() == [f"bytes={1 << 20}-"]
    assert is_complete(tmp_path)


def test_a_server_without_ranges_and_a_damaged_part_only_cost_time(tmp_path, rootfs):
    with ImageServer(f"{tmp_path}/store", cut=[1000000], ranges=False) as server:
        assert sync(tmp_path, server).returncode == 0
    assert is_complete(tmp_path)
    run("rm", "--store", f"{tmp_path}/mine", "a:1")
    digest = json.load(open(f"{tmp_path}/store/index.json"))[0]["digest"]
    with open(f"{tmp_path}/mine/.part-{digest[7:]}", "wb") as part:
        part.write(b"damaged" * 1000)
    with ImageServer(f"{tmp_path}/store") as server:
        assert sync(tmp_path, server).returncode == 0
        assert server.rootfs_requests() == ["bytes=7000-", None]
    assert is_complete(tmp_path)


def test_a_store_that_lies_about_a_digest_leaves_nothing_behind(tmp_path, rootfs):
    with open(rootfs, "r+b") as file:
        file.seek(5000)
        file.write(b"another byte")
    with ImageServer(f"{tmp_path}/store") as server:
        done = sync(tmp_path, server)
        assert done.returncode == 2
        assert b"has the digest sha256:" in done.stderr and b"pe-image verify" in done.stderr
        assert server.rootfs_requests() == [None]
    assert parts(tmp_path) == []
    assert json.loads(run("ls", "--json", "--store", f"{tmp_path}/mine").stdout) == []


def test_a_catalog_entry_that_could_not_be_read_again_is_not_written(tmp_path, rootfs):
    index = json.load(open(f"{tmp_path}/store/index.json"))
    with ImageServer(f"{tmp_path}/store") as server:
        assert sync(tmp_path, server).returncode == 0
        large = {**index[0], "name": "b:1", "env": [f"V{i}=" + "x" * 60000 for i in range(20)]}
        with open(f"{tmp_path}/store/index.json", "w") as file:
            json.dump([*index, large], file)
        done = sync(tmp_path, server)
    assert done.returncode == 1 and b"the catalog entry of b:1 has 12" in done.stderr, done.stderr
    assert is_complete(tmp_path)


def test_an_image_can_be_demanded_by_its_digest(tmp_path, rootfs):
    digest = json.load(open(f"{tmp_path}/store/index.json"))[0]["digest"]
    with ImageServer(f"{tmp_path}/store") as server:
        other = sync(tmp_path, server, "a:1@sha256:" + "0" * 64)
        assert other.returncode == 2 and b"was tampered with" in other.stderr
        missing = sync(tmp_path, server, "b:1@" + digest)
        assert missing.returncode == 1 and b"no image 'b:1@sha256" in missing.stderr
        assert server.rootfs_requests() == []
        assert sync(tmp_path, server, f"a:1@{digest}").returncode == 0
    assert is_complete(tmp_path)


def test_a_store_that_lists_another_version_as_well_gives_only_the_one_that_is_demanded(
    tmp_path, rootfs
):
    demanded = json.load(open(f"{tmp_path}/store/index.json"))[0]
    imported(tmp_path, make_tar([member("usr/f", b"another version")]), "b:1")
    entries = json.load(open(f"{tmp_path}/store/index.json"))
    other = {**next(entry for entry in entries if entry["name"] == "b:1"), "name": "a:1"}
    for index in [demanded, other], [other, demanded]:
        with open(f"{tmp_path}/store/index.json", "w") as file:
            json.dump(index, file)
        with ImageServer(f"{tmp_path}/store") as server:
            done = sync(tmp_path, server, f"a:1@{demanded['digest']}")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"fetched": 1, "present": 0}
        mine = json.loads(run("ls", "--json", "--store", f"{tmp_path}/mine").stdout)
        assert [image["digest"] for image in mine] == [demanded["digest"]]
        run("rm", "--store", f"{tmp_path}/mine", "a:1")


def test_what_another_host_sends_commands_no_terminal(tmp_path, rootfs):
    index = json.load(open(f"{tmp_path}/store/index.json"))
    index[0]["digest"] = "\x1b]0;title\x07\x1b[2J"
    with open(f"{tmp_path}/store/index.json", "w") as file:
        json.dump(index, file)
    with ImageServer(f"{tmp_path}/store") as server:
        for wish in [], ["a:1@sha256:" + "0" * 64]:
            done = sync(tmp_path, server, *wish)
            assert done.returncode and b"?]0;title?" in done.stderr and b"\x1b" not in done.stderr


def test_gc_removes_parts(tmp_path, rootfs):
    with ImageServer(f"{tmp_path}/store", cut=[1000000, 0, 0, 0]) as server:
        assert sync(tmp_path, server).returncode == 1
    assert len(parts(tmp_path)) == 1
    assert run("gc", "--store", f"{tmp_path}/mine").returncode == 0
    assert parts(tmp_path) == []


def test_a_store_over_tls_needs_a_certificate_that_is_trusted_and_matches(tmp_path, rootfs):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    make_certificate("store", certificate, key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with ImageServer(f"{tmp_path}/store", context=context) as server:
        refused = sync(tmp_path, server)
        assert refused.returncode == 1 and b"certificate" in refused.stderr
        options = ["--ca", str(certificate), "--store", f"{tmp_path}/mine"]
        wrong = run("sync", *options, server.url.replace("localhost", "127.0.0.1"))
        assert wrong.returncode == 1 and b"SSL" in wrong.stderr
        assert run("sync", *options, server.url).returncode == 0
    assert is_complete(tmp_path)
