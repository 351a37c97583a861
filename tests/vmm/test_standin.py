# SPDX-License-Identifier: Apache-2.0
"""The stand-in itself: it refuses what cloud-hypervisor's API description does not allow and has
the program's habits. Otherwise the other tests would prove nothing."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile

import pytest

from fixtures.vmm import KERNEL
from fixtures.waiting import PATIENCE, eventually

MIB = 1 << 20


class Standin:
    """A running stand-in and a raw HTTP client for it."""

    def __init__(self, vmm, **env):
        self.folder = tempfile.mkdtemp(dir=vmm.folder)
        self.socket = os.path.join(self.folder, "api.sock")
        self.events = os.path.join(self.folder, "events")
        self.serial = os.path.join(self.folder, "serial.sock")
        self.initramfs = vmm.initramfs
        self.process = subprocess.Popen(
            [
                vmm.standin,
                "--api-socket",
                f"path={self.socket}",
                "--event-monitor",
                f"path={self.events}",
            ],
            env={**os.environ, **env},
            stderr=subprocess.PIPE,
        )
        eventually(self.is_ready, "the API socket")

    def is_ready(self):
        assert self.process.poll() is None, self.process.stderr.read()
        try:
            self.connect().close()
            return True
        except (FileNotFoundError, ConnectionRefusedError):  # it exists before it accepts
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def connect(self, path=None):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(path or self.socket)
        return client

    def try_guest(self):
        """A connection to a guest that has reported `ready`, or None when the serial port is not there
        yet, or is still the one of before a reboot."""
        assert self.process.poll() is None, self.process.stderr.read()
        client = None
        try:
            client = self.connect(self.serial)
            hear(client, b"ready\n")
            return client
        except (FileNotFoundError, ConnectionError, AssertionError):
            if client:
                client.close()
            return None

    def raw(self, method, path, body=b"", headers=""):
        """The answer's head and body, as they come."""
        with self.connect() as client:
            length = f"Content-Length: {len(body)}\r\n" if body else ""
            client.sendall(
                f"{method} /api/v1/{path} HTTP/1.1\r\n{headers}{length}\r\n".encode() + body
            )
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
        return {
            "payload": {
                "kernel": KERNEL,
                "initramfs": self.initramfs,
                "cmdline": "rdinit=/vmm-test",
            },
            "cpus": {"boot_vcpus": 1, "max_vcpus": 1},
            "memory": {"size": 256 * MIB},
            "serial": {"mode": "Socket", "socket": self.serial},
            "console": {"mode": "Off"},
            **more,
        }

    def expect(self, status, name, body=None, words="", method="PUT"):
        got, answer = self.call(name, body, method)
        assert got == status, f"{name} {body} is answered with {got} {answer}, not {status}"
        assert words in json.dumps(answer)
        return answer

    def heard_events(self):
        with open(self.events, encoding="utf-8") as file:
            return [json.loads(part)["event"] for part in file.read().split("\n\n") if part]


def test_the_stand_in_refuses_unknown_keys_wrong_types_and_missing_fields_at_any_depth(vmm):
    with Standin(vmm) as standin:
        for change, words in (
            ({"pmen": []}, "'pmen' was unexpected"),
            ({"payload": {"kernell": "x"}}, "'kernell' was unexpected"),
            ({"memory": {"size": "512M"}}, "is not of type 'integer'"),
            ({"memory": {"size": True}}, "is not of type 'integer'"),
            ({"memory": {"shared": True}}, "'size' is a required property"),
            ({"cpus": {"boot_vcpus": 1}}, "'max_vcpus' is a required property"),
            ({"serial": {"mode": "socket"}}, "is not one of"),
            ({"pmem": [{"file": "x", "discard_write": True}]}, "'discard_write' was unexpected"),
        ):
            standin.expect(400, "vm.create", standin.config(**change), words)
        standin.expect(400, "vm.create", {}, "'payload' is a required property")
        standin.expect(404, "vm.info", method="GET")
        standin.expect(
            400, "vm.restore", {"source": "file:///x"}, "'source_url' is a required property"
        )


def test_the_stand_in_refuses_unknown_paths_wrong_methods_and_wrong_bodies(vmm):
    with Standin(vmm) as standin:
        standin.expect(404, "vm.fly")
        standin.expect(400, "vm.info")
        standin.expect(400, "vm.boot", method="GET")
        standin.expect(400, "vm.boot", {})
        assert standin.call("vm.create") == (400, None)
        head, body = standin.raw("PUT", "vm.create", b"x" * 51201)
        assert " 400 " in head and "Server: Firecracker API" in head and "\n" in body
        with pytest.raises(ValueError):
            json.loads(body)
        head, body = standin.raw("PUT", "vm.create", b"{")
        assert " 400 " in head and isinstance(json.loads(body), list)
        head, body = standin.raw("GET", "vmm.ping", headers="X: " + "x" * 1024 + "\r\n")
        assert " 400 " in head and "error" in json.loads(body)


def test_the_stand_in_refuses_calls_in_the_wrong_state(vmm):
    with Standin(vmm) as standin:
        standin.expect(404, "vm.boot")
        standin.expect(500, "vm.shutdown")
        for call in ("vm.pause", "vm.resume"):
            standin.expect(500, call, words="not running")
        standin.expect(
            500, "vm.snapshot", {"destination_url": "file://" + standin.folder}, "not running"
        )
        standin.expect(204, "vm.delete")
        standin.expect(204, "vm.create", standin.config())
        standin.expect(500, "vm.create", standin.config(), "already created")
        standin.expect(
            500, "vm.restore", {"source_url": "file://" + standin.folder}, "already created"
        )
        standin.expect(204, "vm.boot")
        standin.expect(500, "vm.boot", words="it is Running")
        standin.expect(500, "vm.resume", words="it is Running")
        standin.expect(
            500, "vm.snapshot", {"destination_url": "file://" + standin.folder}, "it is Running"
        )
        standin.expect(204, "vm.pause")
        standin.expect(500, "vm.pause", words="it is Paused")
        assert standin.expect(200, "vm.info", method="GET")["state"] == "Paused"
        assert standin.expect(200, "vm.counters", method="GET") == {}
        standin.expect(204, "vm.resize", {"desired_vcpus": 1})
        standin.expect(500, "vm.resize", {"desired_vcpus": 2})
        standin.expect(500, "vm.resize", {"desired_vcpus": 0})
        ram = standin.expect(200, "vm.info", method="GET")["memory_actual_size"]
        standin.expect(500, "vm.resize", {"desired_ram": ram})
        standin.expect(204, "vm.shutdown")
        assert standin.expect(200, "vm.info", method="GET")["state"] == "Created"
        standin.expect(204, "vm.delete")
        standin.expect(404, "vm.info", method="GET")


def test_the_stand_in_adds_and_removes_pmem_devices_before_the_boot(vmm):
    path = os.path.join(vmm.folder, "odd.img")
    with open(path, "wb") as file:
        file.truncate(MIB)
    with Standin(vmm) as standin:
        standin.expect(204, "vm.create", standin.config(pmem=[{"file": path, "id": "a"}]))
        standin.expect(500, "vm.add-pmem", {"file": path, "id": "a"}, "not unique")
        standin.expect(500, "vm.boot", words="PmemSizeNotAligned")
        standin.expect(500, "vm.remove-device", {"id": "b"})
        standin.expect(204, "vm.remove-device", {"id": "a"})
        standin.expect(204, "vm.add-pmem", {"file": path + ".missing", "size": 2 * MIB})
        config = standin.expect(200, "vm.info", method="GET")["config"]
        assert "id" not in config["pmem"][0] and config["pmem"][0]["discard_writes"] is False
        standin.expect(500, "vm.boot", words="No such file or directory")
        config = standin.expect(200, "vm.info", method="GET")["config"]
        assert config["pmem"][0]["id"] == "_pmem0", "an id is given at the boot"


def test_the_stand_in_fills_in_every_default(vmm):
    with Standin(vmm) as standin:
        cpus = {"boot_vcpus": 1, "max_vcpus": 1}
        standin.expect(204, "vm.create", standin.config(cpus=cpus))
        config = standin.expect(200, "vm.info", method="GET")["config"]
        assert config["cpus"]["profile"] == "Host" and config["cpus"]["nested"] is True
        assert config["memory"]["thp"] is True


def test_the_stand_in_speaks_http_as_cloud_hypervisor_does(vmm):
    with Standin(vmm) as standin:
        head, body = standin.raw("PUT", "vm.delete")
        assert head.startswith("HTTP/1.1 204 \r\n") and "Content-Length" not in head and not body
        with contextlib.ExitStack() as stack:
            crowd = [stack.enter_context(standin.connect()) for _ in range(11)]
            assert crowd[10].recv(65536).startswith(b"HTTP/1.1 503\r\n")


def test_the_stand_in_drops_a_client_that_closes_its_sending_side(vmm):
    with Standin(vmm) as standin, standin.connect() as client:
        standin.process.send_signal(signal.SIGSTOP)
        client.sendall(b"GET /api/v1/vmm.ping HTTP/1.1\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        standin.process.send_signal(signal.SIGCONT)
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(100) == b"", "it has an answer"


def test_the_stand_in_removes_its_api_socket_but_not_the_lock_when_it_ends(vmm):
    with Standin(vmm) as standin:
        assert standin.expect(200, "vmm.shutdown") is None
        assert standin.process.wait(PATIENCE) == 0
        assert not os.path.exists(standin.socket) and os.path.exists(standin.socket + ".lock")
    with Standin(vmm) as standin:
        standin.expect(204, "vm.create", standin.config())
        standin.process.kill()
        standin.process.wait()
        assert os.path.exists(standin.socket) and os.path.exists(standin.serial)


def test_the_stand_in_does_not_remove_a_serial_socket_that_is_in_the_way(vmm):
    with Standin(vmm) as standin:
        with open(standin.serial, "wb"):
            pass
        standin.expect(500, "vm.create", standin.config(), "Address already in use")
        os.unlink(standin.serial)
        standin.expect(500, "vm.create", standin.config(), "already created")
        standin.expect(204, "vm.delete")
        standin.expect(204, "vm.create", standin.config())


def hear(client, wanted):
    heard = b""
    while wanted not in heard:
        piece = client.recv(1)
        assert piece, f"hung up after {heard}"
        heard += piece


def test_the_stand_ins_serial_port_has_one_client_and_its_guest_can_reboot(vmm):
    with Standin(vmm) as standin:
        device = os.path.join(standin.folder, "device")
        with open(device, "wb") as file:
            file.truncate(2 * MIB)
        kernel = os.path.join(standin.folder, "kernel")
        os.symlink(KERNEL, kernel)
        config = standin.config(
            pmem=[{"file": device, "id": f"p{i}", "discard_writes": True} for i in range(3)]
        )
        config["payload"]["kernel"] = kernel
        config["payload"]["cmdline"] = "quiet panic=-1 rdinit=/vmm-test"
        standin.expect(204, "vm.create", config)
        with standin.connect(standin.serial) as first:
            standin.expect(204, "vm.boot")
            hear(first, b"ready\n")
            with standin.connect(standin.serial) as second:
                assert first.recv(1) == b"", "the old client is still there"
                second.sendall(b"reset\n")
                with contextlib.suppress(AssertionError, ConnectionError):
                    hear(second, b"never")
        with eventually(standin.try_guest, "the guest has rebooted") as again:
            assert standin.heard_events()[-2:] == ["rebooting", "rebooted"]
            os.unlink(kernel)
            again.sendall(b"reset\n")
            assert standin.process.wait(60) == 1


def test_the_stand_ins_snapshot_leaves_out_only_ram_in_a_named_shared_file(vmm):
    with Standin(vmm) as standin:
        named, into = os.path.join(standin.folder, "ram"), os.path.join(standin.folder, "into")
        with open(named, "wb") as file:
            file.truncate(256 * MIB)
        fd = os.memfd_create("ram")
        os.truncate(fd, 256 * MIB)
        for path, files in (
            (named, ["config.json", "state.json"]),
            (f"/proc/{os.getpid()}/fd/{fd}", ["config.json", "memory-ranges", "state.json"]),
        ):
            os.mkdir(into)
            zone = {"id": "ram", "size": 256 * MIB, "file": path, "shared": True}
            standin.expect(204, "vm.create", standin.config(memory={"size": 0, "zones": [zone]}))
            standin.expect(204, "vm.boot")
            standin.expect(204, "vm.pause")
            standin.expect(204, "vm.snapshot", {"destination_url": "file://" + into})
            assert sorted(os.listdir(into)) == files, os.listdir(into)
            standin.expect(500, "vm.snapshot", {"destination_url": "file://" + into}, "File exists")
            standin.expect(204, "vm.delete")
            standin.expect(204, "vm.restore", {"source_url": "file://" + into})
            assert standin.expect(200, "vm.info", method="GET")["state"] == "Paused"
            standin.expect(204, "vm.resume")
            standin.expect(204, "vm.delete")
            os.rename(into, into + str(len(files)))
        os.close(fd)
        with open(os.path.join(into + "2", "config.json"), "r+", encoding="utf-8") as file:
            config = json.load(file)
            config["payload"]["initramfs"] = "/nonexistent"
            file.seek(0)
            file.truncate()
            json.dump(config, file)
        standin.expect(
            500, "vm.restore", {"source_url": "file://" + into + "2"}, "Cannot open initramfs file"
        )
        standin.expect(404, "vm.info", method="GET")
