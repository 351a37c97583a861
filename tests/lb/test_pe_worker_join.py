# SPDX-License-Identifier: Apache-2.0
"""`pe-worker join`: a host becomes a worker completely, or nothing of it is left."""
import json
import os
import signal
import socket
import stat
import subprocess
import threading

import pytest

from fixtures.certificates import make_certificate
from fixtures.connect_proxy import ConnectProxy
from fixtures.host_tokens import HostTokens
from fixtures.image_server import ImageServer
from fixtures.joining import Host
from fixtures.paths import program
from fixtures.pe_image import imported, make_tar, member, run
from fixtures.stub_server import Server
from fixtures.waiting import eventually
from fixtures.wall_clock import WallClock


class Place:
    """A balancer that hosts can join, over TLS, with an image store."""

    def __init__(self, start_balancer, folder):
        self.folder = folder
        self.tokens = HostTokens(folder / "tokens")
        self.certificate, key = folder / "cert.pem", folder / "key.pem"
        make_certificate("balancer", self.certificate, key)
        self.images = folder / "host-images"
        self.images.write_text("http://127.0.0.1:1/images\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        options = ["--tls-cert", self.certificate, "--tls-key", key, "--tokens", self.tokens.path]
        options += ["--listen-tls", f"127.0.0.1:{port}", "--host-images", self.images]
        self.balancer = start_balancer(*map(str, options))
        self.url = f"https://localhost:{port}"
        self.port = port
        self.host = Host(folder / "host")
        self.ca = ["--ca", str(self.certificate)]

    def join(self, code, *options, **environment):
        return self.host.join(self.url, code, *self.ca, *options, **environment)

    def serve_images(self, url):
        self.images.write_text(f"{url}\na:1\n")
        self.balancer.process.send_signal(signal.SIGHUP)
        self.balancer.wait_for_log("were read again")

    def assert_nothing_is_left(self, done, *texts, code=None):
        """The command failed with these texts, the host is as before, and the code is still valid."""
        assert done.returncode == 1, done.stderr
        for text in texts:
            assert text in done.stderr, done.stderr
        assert self.host.files() == []
        if code:
            assert self.join(code, "--no-images").returncode == 0


@pytest.fixture
def place(start_balancer, tmp_path):
    return Place(start_balancer, tmp_path)


def test_a_host_joins_with_one_command_and_its_worker_has_all_that_it_needs(place):
    imported(place.folder, make_tar([member("usr/f", b"f")]), "a:1")
    imported(place.folder, make_tar([member("usr/g", b"g")]), "other:1")
    code = place.tokens.new("den")
    with ImageServer(f"{place.folder}/store") as server:
        place.serve_images(server.url)
        done = place.join(code, "--with", "--slots 2 --memory 512")
    assert done.returncode == 0, done.stderr
    assert f"this host is the worker 'den' of {place.url}" in done.stdout
    assert place.host.files() == [
        "etc/balancer-ca.pem",
        "etc/token",
        "etc/worker.env",
        "units/pe-worker.service",
    ]
    settings = place.host.read("etc/worker.env").splitlines()
    assert f"PE_SERVER={place.url}" in settings
    ca = f"{place.host.settings}/balancer-ca.pem"
    assert f"PE_WORKER_OPTIONS=--name den --store {place.host.store} --ca {ca} --slots 2 --memory 512" in settings
    for secret in "token", "worker.env":
        assert stat.S_IMODE(os.stat(f"{place.host.settings}/{secret}").st_mode) == 0o600
    unit = place.host.read("units/pe-worker.service")
    assert f"ExecStart={program('pe-worker')} --server ${{PE_SERVER}}" in unit
    assert place.host.asked() == [
        "daemon-reload",
        "enable --now pe-worker.service",
        "is-active --quiet pe-worker.service",
    ]
    names = run("ls", "--store", place.host.store).stdout
    assert b"a:1" in names and b"other:1" not in names
    token = place.host.read("etc/token").strip()
    registration, slot = place.balancer.worker(host="den", token=token)
    place.balancer.run_on(slot, job={"image": "gcc:14"})
    assert code not in done.stdout + done.stderr and token not in done.stdout + done.stderr


@pytest.mark.parametrize("store", ["images", "/with space", "/with'quote"])
def test_a_store_that_the_unit_could_not_name_is_refused(place, store):
    done = place.join(place.tokens.new("den"), "--store", store)
    assert done.returncode != 0 and "must be an absolute path" in done.stderr
    assert place.host.files() == []


def test_what_the_owner_gives_is_passed_on_to_the_worker(place):
    hours = ["--hours", "mon-fri/20:00-08:00", "--hours", "sat,sun/00:00-24:00"]
    options = [*hours, "--cores", "1", "--idle-only", "--memory-total", "4096", "--idle-after", "60"]
    done = place.join(place.tokens.new("den"), "--no-images", *options)
    assert done.returncode == 0, done.stderr
    assert f"balancer-ca.pem {' '.join(options)}\n" in place.host.read("etc/worker.env")


@pytest.mark.parametrize("option", [("--hours", "20-08"), ("--cores", "0"), ("--cores", "1000")])
def test_a_wrong_decision_of_the_owner_is_refused_before_anything_happens(place, option):
    code = place.tokens.new("den")
    done = place.join(code, *option)
    assert done.returncode == 2 and option[0] in done.stderr
    assert place.host.files() == [] and place.tokens.list()["den"]["state"] == "waiting"


def test_a_unit_that_is_installed_stays_as_it_is(place):
    os.makedirs(place.host.units, exist_ok=True)
    with open(f"{place.host.units}/pe-worker.service", "w", encoding="ascii") as unit:
        unit.write("packaged")
    assert place.join(place.tokens.new("den"), "--no-images").returncode == 0
    assert place.host.read("units/pe-worker.service") == "packaged"


def test_codes_that_are_wrong_leave_nothing_and_say_what_to_do(place):
    place.assert_nothing_is_left(place.join("join-" + "0" * 32), "ask the operator for a new one")
    code = place.tokens.new("den", expires="1s")
    eventually(lambda: place.tokens.list()["den"]["state"] == "expired", "the code expires")
    place.assert_nothing_is_left(place.join(code), "expired at", "pe-lb token new --host den")
    code = place.tokens.new("den")
    assert place.join(code, "--no-images").returncode == 0
    second = Place.__new__(Place)
    second.__dict__.update(place.__dict__, host=Host(place.folder / "second"))
    second.assert_nothing_is_left(second.join(code), "was used already", "revoke --host den")


@pytest.mark.parametrize(
    "answer, text",
    [
        ("missing", "the images could not be fetched"),
        ("lies", "has the digest sha256:"),
        ("vanishes", "the same command continues there"),
    ],
)
def test_an_image_store_that_fails_leaves_nothing_and_the_code_stays_valid(place, answer, text):
    rootfs = imported(place.folder, make_tar([member("usr/f", os.urandom(1 << 20))]), "a:1")
    if answer == "lies":
        with open(rootfs, "r+b") as file:
            file.write(b"another image")
    cut = [500000, 0, 0, 0] if answer == "vanishes" else []
    code = place.tokens.new("den")
    with ImageServer(f"{place.folder}/store", cut=cut) as server:
        place.serve_images(server.url if answer != "missing" else "http://127.0.0.1:1")
        place.assert_nothing_is_left(place.join(code), text, code=code)
    assert run("ls", "--store", place.host.store).stdout in (b"", b"[]\n") or answer == "missing"


def test_without_systemd_one_sentence_says_what_to_do_and_nothing_is_done(place):
    place.host.has_systemd = False
    code = place.tokens.new("den")
    done = place.join(code, "--no-images")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "systemd does not run on this host" in done.stderr and "--no-start" in done.stderr
    assert place.host.files() == [] and place.host.asked() == []
    done = place.join(code, "--no-images", "--no-start")
    assert done.returncode == 0 and place.host.asked() == [], done.stderr
    token = f"{place.host.settings}/token"
    assert f"start pe-worker with --server {place.url} --token-file {token} " in done.stdout


@pytest.mark.parametrize("verb", ["daemon-reload", "enable", "is-active"])
def test_a_worker_that_does_not_start_is_undone_and_the_code_is_valid_again(place, verb):
    code = place.tokens.new("den")
    place.host.fail(verb)
    done = place.join(code, "--no-images")
    assert "disable --now pe-worker.service" in place.host.asked()
    assert place.tokens.list()["den"]["state"] == "waiting"
    place.host.fail()
    place.assert_nothing_is_left(done, "nothing was changed, and the code can be used", code=code)


def test_an_attempt_that_was_killed_after_the_files_appeared_is_cleaned_up_by_the_next_one(place):
    code = place.tokens.new("den")
    place.host.fail("enable kills")
    assert place.join(code, "--no-images").returncode == -signal.SIGKILL
    assert "etc/worker.env" in place.host.files() and "etc/.join/token" in place.host.files()
    assert place.tokens.list()["den"]["state"] == "joined"
    place.host.fail()
    assert place.join(code, "--no-images").returncode == 0
    assert not any(".join" in name for name in place.host.files())
    token = place.host.read("etc/token").strip()
    place.balancer.worker(host="den", token=token)


def test_a_host_that_is_configured_already_is_left_alone(place):
    code = place.tokens.new("den")
    for name in "worker.env", "token":
        os.makedirs(place.host.settings, exist_ok=True)
        with open(f"{place.host.settings}/{name}", "w", encoding="ascii") as file:
            file.write("mine")
        done = place.join(code)
        assert (
            done.returncode == 1 and f"because {place.host.settings}/{name} exists" in done.stderr
        )
        assert place.host.files() == [f"etc/{name}"] and place.host.read(f"etc/{name}") == "mine"
        os.remove(f"{place.host.settings}/{name}")
    assert place.tokens.list()["den"]["state"] == "waiting"


def test_a_full_or_missing_folder_of_units_leaves_nothing(place):
    code = place.tokens.new("den")
    units = place.host.units
    place.host.units = f"{place.folder}/none"
    place.assert_nothing_is_left(
        place.join(code, "--no-images"), "cannot create", "the code can be used"
    )
    place.host.units = units
    assert place.join(code, "--no-images").returncode == 0


@pytest.fixture
def fetching(place):
    """A code, and the process of a host that joins with it and waits for an image store that says nothing."""
    code = place.tokens.new("den")
    asked = threading.Event()

    class Silent(ImageServer):
        def answer(self, request):
            asked.set()
            threading.Event().wait(60)

    place.serve_images(Silent(place.folder).url)
    process = subprocess.Popen(
        place.host.command(place.url, *place.ca, "--code", code),
        env=place.host.environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert asked.wait(180)
    yield code, process
    process.kill()
    process.communicate()


def interrupt(process):
    process.send_signal(signal.SIGINT)
    stderr = process.communicate(timeout=180)[1]
    return subprocess.CompletedProcess([], process.returncode, "", stderr)


def test_an_interrupt_while_images_are_fetched_leaves_nothing(place, fetching):
    code, process = fetching
    place.assert_nothing_is_left(interrupt(process), code=code)


def test_a_host_does_not_join_twice_at_the_same_time(place, fetching):
    code, process = fetching
    second = place.join(place.tokens.new("other"), "--no-images")
    assert second.returncode == 1 and "another `pe-worker join` runs on this host" in second.stderr
    assert place.host.files() == ["etc/.join/token"], "the first one goes on"
    place.assert_nothing_is_left(interrupt(process), code=code)


def test_only_tls_is_accepted_except_on_the_same_machine(place):
    for url in "http://balancer.example", "http://localhost.example", "balancer.example", "ftp://x":
        done = place.host.join(url, "join-1")
        assert done.returncode == 2 and "a balancer with TLS" in done.stderr
    for url in "http://localhost:80@balancer.example", "https://name:password@balancer.example":
        done = place.host.join(url, "join-1")
        assert done.returncode == 2 and "has no name and no password" in done.stderr
    local = f"http://{place.balancer.tcp}"
    assert place.host.join(local, place.tokens.new("den"), "--no-images").returncode == 0


def test_a_balancer_whose_certificate_does_not_match_or_is_not_trusted_gets_no_code(place):
    code = place.tokens.new("den")
    other = place.url.replace("localhost", "127.0.0.1")
    done = place.host.join(other, code, *place.ca)
    place.assert_nothing_is_left(done, "is for another name", "this may be another server")
    done = place.host.join(place.url, code)
    place.assert_nothing_is_left(done, "not signed by anybody whom this host trusts", "--ca FILE")
    broken = place.folder / "broken.pem"
    broken.write_text("no certificate")
    done = place.host.join(place.url, code, "--ca", str(broken))
    assert done.returncode == 2 and "has no certificate in PEM" in done.stderr
    assert place.tokens.list()["den"]["state"] == "waiting"


def test_a_host_whose_clock_is_wrong_is_told_so(place):
    code = place.tokens.new("den")
    clock = WallClock(str(place.folder))
    for days, when in (-400, "not valid yet"), (400, "not valid any more"):
        clock.set(days * 86400)
        done = place.join(code, **clock.environment)
        place.assert_nothing_is_left(done, when, "set the clock (`timedatectl set-ntp true`)")
    clock.set(3 * 3600)  # whether a code has expired is a matter of the balancer's clock
    assert place.join(code, "--no-images", **clock.environment).returncode == 0


def test_a_host_joins_through_an_http_proxy_which_sees_neither_code_nor_token(place):
    with ConnectProxy() as proxy:
        done = place.join(place.tokens.new("den"), "--no-images", https_proxy=proxy.url)
        assert done.returncode == 0, done.stderr
        other = Host(place.folder / "other")
        options = ["--no-images", "--proxy", proxy.url, *place.ca]
        assert other.join(place.url, place.tokens.new("attic"), *options).returncode == 0
        assert f"https_proxy={proxy.url}\n" in other.read("etc/worker.env")
        assert set(proxy.targets) == {f"localhost:{place.port}"} and len(proxy.targets) == 4


def test_a_proxy_that_refuses_or_wants_a_password_is_named(place):
    code = place.tokens.new("den")
    for status, text in (403, "answers with 403"), (407, "demands a name and a password"):
        with ConnectProxy(status) as proxy:
            done = place.join(code, "--proxy", proxy.url)
            place.assert_nothing_is_left(done, text)
    with ConnectProxy(password="guest:secret") as proxy:
        url = proxy.url.replace("//", "//guest:secret@")
        assert place.join(code, "--no-images", "--proxy", url).returncode == 0


def test_what_is_no_balancer_is_named(place):
    with ImageServer(place.folder) as server:
        done = place.host.join(server.url, "join-1")
        place.assert_nothing_is_left(done, "is no balancer, or one of an older version")
    done = place.host.join("http://localhost:1", "join-1")
    place.assert_nothing_is_left(done, "cannot connect to the balancer at http://localhost:1")


@pytest.mark.parametrize("part", ["store", "name"])
def test_a_balancer_writes_no_escape_sequences_to_the_terminal_of_a_host(tmp_path, part):
    images = {"store": "http://127.0.0.1:1/images", "names": ["a:1"]}
    if part == "store":
        images["store"] += "\x1b]0;title\x07"
    else:
        images["names"] = ["a:1\x1b[2J"]
    answer = json.dumps({"host": "den", "images": images}).encode()
    host = Host(tmp_path / "host")
    with Server((200, {"Content-Type": "application/json"}, answer)) as server:
        done = host.join(server.url, "join-0")
    assert done.returncode == 1 and "the balancer's answer is not one" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "answer",
    [
        {"host": "../../etc/passwd"},
        {"host": "--store=/etc"},
        {"host": "den\nPE_SERVER=http://other"},
        {"host": "den --vmm-path /"},
        {"host": ""},
        {"host": "den", "images": {"store": "file:///etc/shadow", "names": []}},
        {"host": "den", "images": {"store": "http://127.0.0.1:1", "names": ["--store=/etc"]}},
        {"host": "den", "images": {"store": "http://127.0.0.1:1", "names": [1]}},
    ],
)
def test_a_balancer_can_give_a_host_that_joins_neither_options_nor_paths(tmp_path, answer):
    host = Host(tmp_path / "host")
    body = json.dumps(answer).encode()
    with Server((200, {"Content-Type": "application/json"}, body)) as server:
        done = host.join(server.url, "join-0")
    assert done.returncode == 1 and "the balancer's answer is not one" in done.stderr
    assert host.files() == [] and host.asked() == []
