# SPDX-License-Identifier: Apache-2.0
"""What the processes may do that read what guests send: the slots, and the maker of a template. And what a
slot that was taken over can reach."""
import contextlib
import errno
import glob
import os
import pwd
import signal
import socket
import subprocess

import pytest

from fixtures import paths, processes
from fixtures.balancer import Port
from fixtures.certificates import make_certificate
from fixtures.image_store import store_with
from fixtures.inside import has_in_memory, inside
from fixtures.service import Service
from fixtures.vmm import cgroups_of
from fixtures.waiting import PATIENCE, eventually
from fixtures.worker import Worker

each_engine = pytest.mark.each_engine


def status(pid):
    """The lines of /proc/PID/status, by name."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def slots_with_vm(service, count=1):
    eventually(lambda: len(service.worker.slots()) >= count, "slots have a VM")
    return service.worker.slots()


def has_no_rights(pid):
    """Checks what /proc says about a process, and returns its user."""
    has = status(pid)
    users = set(has["Uid"].split()) | set(has["Gid"].split())
    assert len(users) == 1 and "0" not in users, has
    assert has["Groups"].split() == [], has
    for kind in "Inh", "Prm", "Eff", "Bnd", "Amb":
        assert int(has[f"Cap{kind}"], 16) == 0, has
    assert has["NoNewPrivs"] == "1", has
    assert has["Seccomp"] == "2", has
    return users.pop()


@each_engine
def test_a_slot_has_no_rights_before_there_is_any_output(service):
    slots = slots_with_vm(service, 2)
    users = set(map(has_no_rights, slots))
    assert len(users) == len(slots), users
    for vmm in service.idle_vmms():
        assert not users & set(status(vmm)["Uid"].split()), "a VMM has the user of a slot"


def test_no_account_of_the_host_has_the_user_of_a_vmm_or_a_slot(service):
    slots = slots_with_vm(service, 2)
    users = {int(user) for pid in [*slots, *service.idle_vmms()] for user in status(pid)["Uid"].split()}
    accounts = {account.pw_uid for account in pwd.getpwall()}
    assert min(users) >= 2_000_000_000 and not users & accounts, users & accounts


def test_what_registers_the_worker_reads_the_balancer_without_rights(service):
    (registration,) = service.worker.named("pe-registration")
    assert has_no_rights(registration) not in map(has_no_rights, slots_with_vm(service))
    targets = [
        os.readlink(f"/proc/{registration}/fd/{fd}")
        for fd in os.listdir(f"/proc/{registration}/fd")
    ]
    assert sorted(target.split(":")[0] for target in targets[3:]) == [
        "anon_inode",
        "socket",
    ], targets
    os.kill(registration, signal.SIGKILL)
    eventually(
        lambda: service.worker.named("pe-registration") not in ([], [registration]),
        "it registers again",
    )


def test_what_answers_pe_worker_status_has_no_rights(service):
    (answering,) = service.worker.named("pe-status")
    assert has_no_rights(answering) not in map(has_no_rights, slots_with_vm(service))
    targets = [os.readlink(f"/proc/{answering}/fd/{fd}") for fd in os.listdir(f"/proc/{answering}/fd")]
    assert [target.split(":")[0] for target in targets[3:]] == ["socket"], targets


@each_engine
def test_a_slot_has_only_its_own_descriptors(service):
    """Nothing of the worker: no listener, no folder of a cgroup, no mount namespace, no lock."""
    for slot in slots_with_vm(service):
        for fd in os.listdir(f"/proc/{slot}/fd"):
            target = os.readlink(f"/proc/{slot}/fd/{fd}")
            is_own = target.startswith(("socket:", "/memfd:", "pipe:", "anon_inode:", "/dev/null"))
            assert is_own or int(fd) <= 2, (fd, target)


@each_engine
@pytest.mark.parametrize("which", ["slots", "helpers"])
def test_jobs_go_on_when_a_process_of_a_slot_is_killed(service, which):
    slots_with_vm(service)
    victims = getattr(service.worker, which)()
    below = {pid for victim in victims for pid in processes.descendants(victim)}
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    processes.wait_until_gone(victims | below, "the slots with their helpers and VMMs")
    assert service.run("echo on").stdout == b"on\n"
    service.assert_nothing_is_left()


def test_a_store_that_takes_the_place_of_another_one_is_used(start_service, tmp_path):
    tmp_path.chmod(0o755)
    store = tmp_path / "images"
    subprocess.run(["cp", "-al", paths.IMAGES, store], check=True)
    one = start_service(slots=1, store=str(store))
    assert one.run("echo on").stdout == b"on\n"
    store.rename(tmp_path / "old")
    subprocess.run(["cp", "-al", tmp_path / "old", store], check=True)
    one.worker.wait_for_log("is another one now; this slot starts again")
    assert one.run("echo on").stdout == b"on\n"


def test_the_images_can_be_below_a_private_folder(tmp_path):
    store = tmp_path / "private" / "images"
    store.parent.mkdir(mode=0o700)
    subprocess.run(["cp", "-al", paths.IMAGES, store], check=True)
    private = Service(slots=1, store=str(store))
    try:
        assert private.run("echo on").stdout == b"on\n"
        assert {status(slot)["Uid"].split()[0] for slot in slots_with_vm(private)} != {"0"}
    finally:
        private.close()


# ---- from inside ----

# The numbers of the system calls that a slot may make (worker/slot_rights.c).
ALLOWED = {
    *(
        0,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        13,
        14,
        15,
        17,
        19,
        20,
        21,
        25,
        28,
        35,
        39,
        44,
        45,
        46,
    ),
    *(
        47,
        60,
        72,
        77,
        96,
        107,
        201,
        202,
        217,
        219,
        228,
        230,
        231,
        257,
        262,
        269,
        271,
        318,
        319,
        332,
        439,
    ),
}
# Not filtered by any kernel: they only work from a trampoline that the kernel itself has made (uprobes).
ALLOWED |= {229, 335, 336}
if paths.SANITIZED:
    ALLOWED.add(131)  # sigaltstack, which ASan calls before a call that does not return
NEWEST = 470


def calls_that_are_not_denied(process):
    """Without arguments, so that none of them has an effect."""
    return [
        number
        for number in range(NEWEST)
        if number not in ALLOWED and process.call(number) not in (-errno.EPERM, -errno.ENOSYS)
    ]


def reach(process, token, helper):
    """What a slot tries that was taken over, and what the kernel answers."""
    ANONYMOUS, EXECUTABLE, UNIX, INET = 0x22, 5, 1, 2
    files = (
        "/etc/passwd",
        "/etc/ld.so.cache",
        "/proc/self/environ",
        "/dev/null",
        "/sys/kernel",
        token,
    )
    return {
        **{f"read {file}": process.call("open", file, os.O_RDONLY) for file in files},
        "memory of its helper": process.call("open", f"/proc/{helper}/mem", os.O_RDWR),
        "descriptors of its helper": process.call("open", f"/proc/{helper}/fd/3", os.O_RDONLY),
        "a new file": process.call("open", "/tmp/pe-inside", os.O_CREAT | os.O_WRONLY, 0o600),
        "a file in the store": process.call("open", "names/x", os.O_CREAT | os.O_WRONLY, 0o600),
        "a socket": process.call("socket", INET, 1, 0),
        "a local socket": process.call("socket", UNIX, 1, 0),
        "a program": process.call("execve", "/bin/true", 0, 0),
        "a process": process.call("fork"),
        "a signal": process.call("kill", helper, 0),
        "tracing": process.call("ptrace", 16, helper, 0, 0),
        "reading a process": process.call("process_vm_readv", helper, 0, 0, 0, 0, 0),
        "root": process.call("setuid", 0),
        "a mount": process.call("mount", "none", "/", "tmpfs", 0, 0),
        "a namespace": process.call("unshare", 0x10000000),
        "executable memory": process.call("mmap", 0, 4096, EXECUTABLE, ANONYMOUS, -1, 0),
        "cutting the log": process.call("ftruncate", 2, 0),
        "overwriting the log": process.call("lseek", 2, 0, 0),
        "BPF": process.call("bpf", 0, 0, 0),
        "io_uring": process.call("io_uring_setup", 1, 0),
    }


def test_a_slot_that_was_taken_over_reaches_nothing(service):
    slot, *_ = slots_with_vm(service)
    helper, *_ = [pid for pid in service.worker.helpers() if processes.parent_of(pid) == slot]
    with inside(slot) as process:
        assert process.call("open", paths.IMAGES, os.O_DIRECTORY) >= 0, "it works"
        got = reach(process, service.worker.argv[0], helper)
        others = calls_that_are_not_denied(process)
    allowed = {
        what: result for what, result in got.items() if result not in (-errno.EPERM, -errno.EACCES)
    }
    assert not allowed and not others, (allowed, others)
    service.assert_nothing_is_left()


def shared_memory(pid):
    """The anonymous memory that a process shares with others and can change."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps:
        return [line.split()[0] for line in maps if " rw-s " in line and "/dev/zero" in line]


def test_a_slot_cannot_say_where_the_worker_sends_its_token(service):
    """The process that looks up balancers tells the supervisor in memory, which slots do not have."""
    slot, *_ = slots_with_vm(service)
    ours, its = set(shared_memory(service.worker.process.pid)), set(shared_memory(slot))
    assert its < ours and len(ours - its) == 1, (ours, its)


def test_a_slot_cannot_take_the_connections_of_others_to_the_template_server(service):
    """Its helper connects, and all connections of one helper count together."""
    path = glob.glob(service.worker.run_dir + "/worker-*/templates")[0]
    with contextlib.ExitStack() as stack:
        connections = []
        for _ in range(8):
            one = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            one.settimeout(PATIENCE)
            one.connect(path)
            connections.append(one)
        assert [one.recv(1) for one in connections[4:]] == 4 * [b""], "closed at once"
        service.assert_nothing_is_left()


# ---- the maker of a template ----

only_with_templates = pytest.mark.only_with("snapshots", "a template is a snapshot")


@pytest.fixture
def making(start_service, tmp_path):
    """A service whose worker is making a template."""
    tmp_path.chmod(0o755)
    service = start_service(slots=1, store=store_with(str(tmp_path / "images"), ["sleep", "3"]))
    eventually(lambda: service.worker.named("pe-template"), "a template is made")
    return service


@only_with_templates
def test_what_reads_a_guest_while_its_template_is_made_has_no_rights(making):
    reader, *_ = making.worker.named("pe-template")
    user = has_no_rights(reader)
    eventually(making.worker.vmms, "the VM")
    assert user not in {status(vmm)["Uid"].split()[0] for vmm in making.worker.vmms()}
    with inside(reader) as process:
        got = reach(process, making.worker.argv[0], processes.parent_of(reader))
        others = calls_that_are_not_denied(process)
    allowed = {
        what: result for what, result in got.items() if result not in (-errno.EPERM, -errno.EACCES)
    }
    assert not allowed and not others, (allowed, others)


@only_with_templates
def test_a_template_whose_making_is_interrupted_is_made_by_the_next_process(making):
    """A server that was killed, or whose maker was killed, finds the image again when it starts."""
    victims = []
    for which in "pe-template", "pe-maker", "pe-templates":
        eventually(lambda: making.worker.named("pe-template"), "a template is made")
        eventually(making.worker.vmms, "the VM")
        victims += making.worker.named(which)
        below = processes.descendants(victims[-1])
        processes.kill_hard(victims[-1])
        processes.wait_until_gone(below, f"the processes below a {which} that was killed")
        for server in making.worker.named("pe-templates"):
            processes.kill_hard(server)
    making.worker.wait_for_log("template for busybox:1.35 made")
    assert making.run("echo on").stdout == b"on\n"
    owners = {str(pid) for pid in processes.descendants(making.worker.process.pid)}
    folders = os.listdir(glob.glob(making.worker.run_dir + "/worker-*")[0])
    assert {name.split("-")[1] for name in folders if name.startswith("vm-")} <= owners
    assert not any(map(cgroups_of, victims))
    eventually(
        lambda: not glob.glob(making.worker.state + "/templates/.*"), "no template is unfinished"
    )


# ---- the token, and the connection to the balancer ----

TOKEN = "the-secret-of-this-worker-" + 20 * "x"


@pytest.fixture
def token_file(tmp_path):
    path = tmp_path / "token"
    path.touch(0o600)
    path.write_text(TOKEN + "\n")
    return str(path)


def assert_a_slot_lacks_the_token(service, slot):
    name = service.request("GET", "/v1/hosts", headers=BEARER).json()["hosts"][0]["name"]
    assert has_in_memory(slot, name.encode()), "memory can be searched"
    assert not has_in_memory(slot, TOKEN.encode())
    for fd in os.listdir(f"/proc/{slot}/fd"):
        assert "token" not in os.readlink(f"/proc/{slot}/fd/{fd}")
    with open(f"/proc/{slot}/environ", "rb") as environ:
        assert TOKEN.encode() not in environ.read()


BEARER = {"Authorization": f"Bearer {TOKEN}"}


def test_a_slot_does_not_have_the_workers_token(start_service, token_file):
    option = ("--token-file", token_file)
    service = start_service(*option, slots=1, balancer_options=option)
    slot, *_ = slots_with_vm(service)
    assert service.run("echo on").stdout == b"on\n"
    assert_a_slot_lacks_the_token(service, slot)
    os.chmod(token_file, 0o644)  # what the slot cannot read must not depend on the mode
    with inside(slot) as process:
        assert process.call("open", token_file, os.O_RDONLY) == -errno.EACCES


@pytest.fixture
def tls_service(token_file, tmp_path):
    """A service whose worker connects with TLS, and trusts the balancer's certificate. The balancer would
    rather speak HTTP/2, which has no upgrades."""
    make_certificate("localhost", f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem")
    port = Port()
    tls = ("--listen-tls", f"127.0.0.1:{port.number}")
    files = ("--tls-cert", f"{tmp_path}/cert.pem", "--tls-key", f"{tmp_path}/key.pem")
    options = ("--http2", "--token-file", token_file, *tls, *files)
    trust = f'mount --bind {tmp_path}/cert.pem /etc/ssl/certs/ca-certificates.crt && exec "$@"'
    service = Service(slots=0, balancer_options=options)
    service.worker = Worker(
        f"https://localhost:{port.number}",
        *("--token-file", token_file),
        slots=1,
        wrapper=("unshare", "--mount", "sh", "-c", trust, "sh"),
    )
    service.slots = 1
    try:
        service.start_worker()
        yield service
    finally:
        service.close()
        port.close()


def links(service):
    """The processes that encrypt what slots and registration send."""
    below = processes.descendants(service.worker.process.pid)
    return {pid for pid in below if processes.command_name(pid) == "pe-link"}


def test_with_tls_another_process_than_the_slot_has_the_token_and_encrypts(tls_service):
    content = os.urandom(6 << 20)
    job = tls_service.run("cat data; cp data /output/", files=[("data", content)])
    assert (job.status, job.files["data"]) == ("exited", content)
    slot, *_ = slots_with_vm(tls_service)
    assert_a_slot_lacks_the_token(tls_service, slot)
    users = {has_no_rights(link) for link in links(tls_service)}
    assert (
        len(users) == 2 and has_no_rights(slot) not in users
    ), "of the slot, and of the registration"


def test_a_connection_with_tls_that_ends_is_made_again(tls_service):
    for link in links(tls_service):
        processes.kill_hard(link)
    assert tls_service.run("echo on").stdout == b"on\n"
    tls_service.balancer.kill()
    tls_service.balancer.start()
    tls_service.wait_until(lambda h: h["hosts"] == 1 and h["slots"] >= 1, "the worker")
    tls_service.assert_nothing_is_left()
    assert len(links(tls_service)) == 2
