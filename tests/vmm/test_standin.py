"""The stand-in itself: it must refuse what cloud-hypervisor's API description does not allow, and have the program's habits, or
the other tests would prove nothing."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

from harness import KERNEL, assert_in, test

MIB = 1 << 20


class Standin:
    """A running stand-in and a raw HTTP client for it."""

    def __init__(self, bench, **env):
        self.folder = tempfile.mkdtemp(dir=bench.folder)
        self.socket = os.path.join(self.folder, "api.sock")
        self.events = os.path.join(self.folder, "events")
        self.serial = os.path.join(self.folder, "serial.sock")
        self.initramfs = bench.initramfs
        self.process = subprocess.Popen([bench.standin, "--api-socket", f"path={self.socket}", "--event-monitor",
                                         f"path={self.events}"], env={**os.environ, **env}, stderr=subprocess.PIPE)
        while not self.listens():
            assert self.process.poll() is None, self.process.stderr.read()
            time.sleep(0.01)

    def listens(self):
        """Whether the API socket accepts connections: it exists a moment before it does."""
        try:
            self.connect().close()
            return True
        except (FileNotFoundError, ConnectionRefusedError):
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def connect(self, path=None):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(60)
        client.connect(path or self.socket)
        return client

    def raw(self, method, path, body=b"", headers=""):
        """The answer's head and body, as they come."""
        with self.connect() as client:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            client.sendall(f"{method} /api/v1/{path} HTTP/1.1\r\n{headers}{length}\r\n".encode() + body)
            received = b""
            while b"\r\n\r\n" not in received:
                piece = client.recv(65536)
                assert piece, f"hung up after {received}"
                received += piece
            head, _, rest = received.partition(b"\r\n\r\n")
            for line in head.decode().split("\r\n"):
                if line.startswith("Content-Length: "):
                    while len(rest) < int(line[16:]):
                        rest += client.recv(65536)
            return head.decode(), rest.decode()

    def call(self, name, body=None, method="PUT"):
        """Status and what was answered, parsed."""
        head, text = self.raw(method, name, b"" if body is None else json.dumps(body).encode())
        return int(head.split(" ")[1]), json.loads(text) if text else None

    def config(self, **more):
        return {"payload": {"kernel": KERNEL, "initramfs": self.initramfs, "cmdline": "rdinit=/vmm-test"},
                "cpus": {"boot_vcpus": 1, "max_vcpus": 1}, "memory": {"size": 256 * MIB},
                "serial": {"mode": "Socket", "socket": self.serial}, "console": {"mode": "Off"}, **more}

    def expect(self, status, name, body=None, words="", method="PUT"):
        got, answer = self.call(name, body, method)
        assert got == status, f"{name} {body} is answered with {got} {answer}, not {status}"
        assert_in(words, json.dumps(answer))
        return answer

    def heard_events(self):
        with open(self.events, encoding="utf-8") as file:
            return [json.loads(part)["event"] for part in file.read().split("\n\n") if part]


@test
def refuses_configs(bench):
    """the stand-in refuses unknown keys, wrong types and missing fields, at any depth"""
    with Standin(bench) as vmm:
        for change, words in (({"pmen": []}, "'pmen' was unexpected"),
                              ({"payload": {"kernell": "x"}}, "'kernell' was unexpected"),
                              ({"memory": {"size": "512M"}}, "is not of type 'integer'"),
                              ({"memory": {"size": True}}, "is not of type 'integer'"),
                              ({"memory": {"shared": True}}, "'size' is a required property"),
                              ({"cpus": {"boot_vcpus": 1}}, "'max_vcpus' is a required property"),
                              ({"serial": {"mode": "socket"}}, "is not one of"),
                              ({"pmem": [{"file": "x", "discard_write": True}]}, "'discard_write' was unexpected")):
            vmm.expect(400, "vm.create", vmm.config(**change), words)
        vmm.expect(400, "vm.create", {}, "'payload' is a required property")
        vmm.expect(404, "vm.info", method="GET")
        vmm.expect(400, "vm.restore", {"source": "file:///x"}, "'source_url' is a required property")


@test
def refuses_requests(bench):
    """the stand-in refuses unknown paths, wrong methods, bodies that should not be, and bodies that are missing or too large"""
    with Standin(bench) as vmm:
        vmm.expect(404, "vm.fly")
        vmm.expect(400, "vm.info")
        vmm.expect(400, "vm.boot", method="GET")
        vmm.expect(400, "vm.boot", {})
        assert vmm.call("vm.create") == (400, None)
        head, body = vmm.raw("PUT", "vm.create", b"x" * 51201)
        assert " 400 " in head and "error" in json.loads(body)
        head, body = vmm.raw("PUT", "vm.create", b"{")
        assert " 400 " in head and isinstance(json.loads(body), list)
        head, body = vmm.raw("GET", "vmm.ping", headers="X: " + "x" * 1024 + "\r\n")
        assert " 400 " in head and "error" in json.loads(body)


@test
def refuses_states(bench):
    """the stand-in refuses calls in the wrong state"""
    with Standin(bench) as vmm:
        vmm.expect(404, "vm.boot")
        vmm.expect(404, "vm.shutdown")
        for call in ("vm.pause", "vm.resume"):
            vmm.expect(500, call, words="not running")
        vmm.expect(500, "vm.snapshot", {"destination_url": "file://" + vmm.folder}, "not running")
        vmm.expect(204, "vm.delete")
        vmm.expect(204, "vm.create", vmm.config())
        vmm.expect(500, "vm.create", vmm.config(), "already created")
        vmm.expect(500, "vm.restore", {"source_url": "file://" + vmm.folder}, "already created")
        vmm.expect(204, "vm.boot")
        vmm.expect(500, "vm.boot", words="it is Running")
        vmm.expect(500, "vm.resume", words="it is Running")
        vmm.expect(500, "vm.snapshot", {"destination_url": "file://" + vmm.folder}, "it is Running")
        vmm.expect(204, "vm.pause")
        vmm.expect(500, "vm.pause", words="it is Paused")
        assert vmm.expect(200, "vm.info", method="GET")["state"] == "Paused"
        assert vmm.expect(200, "vm.counters", method="GET") == {}
        vmm.expect(204, "vm.resize", {"desired_vcpus": 1})
        vmm.expect(500, "vm.resize", {"desired_vcpus": 2})
        vmm.expect(400, "vm.resize", {"desired_vcpus": 0})
        vmm.expect(204, "vm.shutdown")
        assert vmm.expect(200, "vm.info", method="GET")["state"] == "Created"
        vmm.expect(204, "vm.delete")
        vmm.expect(404, "vm.info", method="GET")


@test
def devices(bench):
    """the stand-in adds and removes pmem devices of whole 2 MiB with unique names before the boot"""
    path = os.path.join(bench.folder, "odd.img")
    with open(path, "wb") as file:
        file.truncate(MIB)
    with Standin(bench) as vmm:
        vmm.expect(204, "vm.create", vmm.config(pmem=[{"file": path, "id": "a"}]))
        vmm.expect(409, "vm.add-pmem", {"file": path, "id": "a"}, "not unique")
        vmm.expect(500, "vm.boot", words="PmemSizeNotAligned")
        vmm.expect(404, "vm.remove-device", {"id": "b"})
        vmm.expect(204, "vm.remove-device", {"id": "a"})
        vmm.expect(204, "vm.add-pmem", {"file": path + ".missing", "size": 2 * MIB})
        assert vmm.expect(200, "vm.info", method="GET")["config"]["pmem"][0]["id"] == "_pmem0"
        vmm.expect(500, "vm.boot", words="No such file or directory")


@test
def http_habits(bench):
    """the stand-in has the HTTP habits: no reason phrase, no length on 204, ten connections"""
    with Standin(bench) as vmm:
        head, body = vmm.raw("PUT", "vm.delete")
        assert head.startswith("HTTP/1.1 204 \r\n") and "Content-Length" not in head and not body
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(vmm.connect()) for _ in range(11)]
            assert b" 503 " in crowd[10].recv(65536)


@test
def half_close(bench):
    """the stand-in drops a client that closes its sending side, without an answer"""
    with Standin(bench) as vmm, vmm.connect() as client:
        vmm.process.send_signal(signal.SIGSTOP)
        client.sendall(b"GET /api/v1/vmm.ping HTTP/1.1\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        vmm.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b"", "it has an answer"


@test
def ends(bench):
    """the stand-in ends with 0 and removes its API socket, but not the lock; when it is killed both stay"""
    with Standin(bench) as vmm:
        assert vmm.expect(200, "vmm.shutdown") is None
        assert vmm.process.wait(10) == 0
        assert not os.path.exists(vmm.socket) and os.path.exists(vmm.socket + ".lock")
    with Standin(bench) as vmm:
        vmm.expect(204, "vm.create", vmm.config())
        vmm.process.kill()
        vmm.process.wait()
        assert os.path.exists(vmm.socket) and os.path.exists(vmm.serial)


@test
def serial_path_is_taken(bench):
    """the stand-in does not remove a serial socket that is in the way, and keeps the configuration then"""
    with Standin(bench) as vmm:
        with open(vmm.serial, "wb"):
            pass
        vmm.expect(500, "vm.create", vmm.config(), "Address already in use")
        os.unlink(vmm.serial)
        vmm.expect(500, "vm.create", vmm.config(), "already created")
        vmm.expect(204, "vm.delete")
        vmm.expect(204, "vm.create", vmm.config())


def hear(client, wanted):
    heard = b""
    while wanted not in heard:
        piece = client.recv(1)
        assert piece, f"hung up after {heard}"
        heard += piece


@test
def serial_and_reboot(bench):
    """the stand-in's serial port has one client, and its guest's reboot stays in the process as long as the kernel is there"""
    with Standin(bench) as vmm:
        device = os.path.join(vmm.folder, "device")
        with open(device, "wb") as file:
            file.truncate(2 * MIB)
        kernel = os.path.join(vmm.folder, "kernel")
        os.symlink(KERNEL, kernel)
        config = vmm.config(pmem=[{"file": device, "id": f"p{i}", "discard_writes": True} for i in range(3)])
        config["payload"]["kernel"] = kernel
        config["payload"]["cmdline"] = "quiet panic=-1 rdinit=/vmm-test"
        vmm.expect(204, "vm.create", config)
        with vmm.connect(vmm.serial) as first:
            vmm.expect(204, "vm.boot")
            hear(first, b"ready\n")
            with vmm.connect(vmm.serial) as second:
                assert first.recv(1) == b"", "the old client is still there"
                second.sendall(b"reset\n")
                with contextlib.suppress(AssertionError):
                    hear(second, b"never")
        while not os.path.exists(vmm.serial):
            time.sleep(0.01)
        time.sleep(0.1)
        with vmm.connect(vmm.serial) as again:
            hear(again, b"ready\n")
            assert vmm.heard_events()[-2:] == ["rebooting", "booting", "booted", "rebooted"][-2:]
            os.unlink(kernel)
            again.sendall(b"reset\n")
            assert vmm.process.wait(60) == 1


@test
def snapshots(bench):
    """the stand-in leaves RAM out of a snapshot only when it is a shared file with a name, and never overwrites one"""
    with Standin(bench) as vmm:
        named, into = os.path.join(vmm.folder, "ram"), os.path.join(vmm.folder, "into")
        with open(named, "wb") as file:
            file.truncate(256 * MIB)
        fd = os.memfd_create("ram")
        os.truncate(fd, 256 * MIB)
        for path, files in ((named, ["config.json", "state.json"]),
                            (f"/proc/{os.getpid()}/fd/{fd}", ["config.json", "memory-ranges", "state.json"])):
            os.mkdir(into)
            zone = {"id": "ram", "size": 256 * MIB, "file": path, "shared": True}
            vmm.expect(204, "vm.create", vmm.config(memory={"size": 0, "zones": [zone]}))
            vmm.expect(204, "vm.boot")
            vmm.expect(204, "vm.pause")
            vmm.expect(204, "vm.snapshot", {"destination_url": "file://" + into})
            assert sorted(os.listdir(into)) == files, os.listdir(into)
            vmm.expect(500, "vm.snapshot", {"destination_url": "file://" + into}, "File exists")
            vmm.expect(204, "vm.delete")
            vmm.expect(204, "vm.restore", {"source_url": "file://" + into})
            assert vmm.expect(200, "vm.info", method="GET")["state"] == "Paused"
            vmm.expect(204, "vm.resume")
            vmm.expect(204, "vm.delete")
            os.rename(into, into + str(len(files)))
        os.close(fd)
        with open(os.path.join(into + "2", "config.json"), "r+", encoding="utf-8") as file:
            config = json.load(file)
            config["payload"]["initramfs"] = "/nonexistent"
            file.seek(0)
            file.truncate()
            json.dump(config, file)
        vmm.expect(500, "vm.restore", {"source_url": "file://" + into + "2"}, "Cannot open initramfs file")
        vmm.expect(404, "vm.info", method="GET")
