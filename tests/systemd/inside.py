#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""In the VM: do what docs/operations.md says, word for word, and check what it promises. Prints "ok
NAME" or "not ok NAME" for each scenario."""
import http.client
import json
import os
import re
import subprocess
import sys
import threading
import time
import traceback

sys.path.insert(0, "/pe/tests")

from fixtures.serial_report import report, show_life  # noqa: E402
from fixtures.stand_in_worker import Registration, Slot, image  # noqa: E402

ADDRESS = "127.0.0.1:8080"
BOUNDARY = "systemd-test"
TOKEN = "/etc/program-explorer/token"
JOB_SECONDS = 600


def sh(command):
    done = subprocess.run(
        ["sh", "-ec", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == 0, f"{command}: {done.stdout}"
    return done.stdout


def documented(chapter):
    """The commands of a chapter, but for those that copy files here: that has been done."""
    with open("/pe/docs/operations.md") as page:
        text = re.search(rf"^## {chapter}\..*?(?=^## )", page.read(), re.M | re.S).group(0)
    commands = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    commands = [re.sub(r"^make install PREFIX=/usr( && |$)", "", command) for command in commands]
    return [command for command in commands if command and not command.startswith(("cp -r build", "make deps"))]


def until(condition, what, seconds=900):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)
    return value


def ask(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(ADDRESS, timeout=JOB_SECONDS)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    return answer.status, data


def health():
    return json.loads(ask("GET", "/healthz")[1])


def run_job(image_name, *words):
    job = json.dumps({"image": image_name, "cmd": list(words), "cache": False, "timeout_ms": 60000})
    body = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="job"\r\nContent-Type: application/json\r\n\r\n{job}\r\n'
        f"--{BOUNDARY}--\r\n"
    ).encode()
    status, data = ask(
        "POST",
        "/v1/run",
        body,
        {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Accept": "application/json"},
    )
    return status, json.loads(data)


def state(unit):
    return sh(f"systemctl show -p ActiveState,SubState,Result,NRestarts {unit}").split()


# ---- what must hold ----


def pe_lb_starts_as_the_operations_page_says_on_systemds_socket():
    for command in documented(2):
        if command.startswith("curl"):
            until(
                lambda: subprocess.run(
                    ["sh", "-c", command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                ).returncode
                == 0,
                command,
            )
        else:
            sh(command)
    until(lambda: "ActiveState=active" in state("pe-lb.service"), "pe-lb is active")
    assert "NRestarts=0" in state("pe-lb.service"), state("pe-lb.service")
    listening = sh("ss -Htlnp sport = :8080")
    assert '"systemd"' in listening and '"pe-lb"' in listening, (
        "the socket is systemd's and handed over:",
        listening,
    )


class StandIns:
    """A host with slots that answer at once, and come back when the balancer went away."""

    def __init__(self, slots):
        with open(TOKEN) as file:
            self.token = file.read().strip()
        self.ending = False
        threading.Thread(target=self.keep, args=(self.control,), daemon=True).start()
        for _ in range(slots):
            threading.Thread(target=self.keep, args=(self.serve,), daemon=True).start()

    def keep(self, session):
        while not self.ending:
            try:
                session()
            except Exception:  # noqa: BLE001: the balancer was restarted, or is about to be
                time.sleep(0.1)

    def control(self):
        host = Registration(ADDRESS, "stand-in", [image("stand:1")], token=self.token)
        assert host.status == 101, host.status
        while not self.ending:
            host.receive(60)

    def serve(self):
        slot = Slot(ADDRESS, "stand-in", "stand:1", token=self.token)
        assert slot.status == 101, slot.status
        while not self.ending:
            job, _ = slot.take_job(60)
            slot.answer(job, job["job"]["cmd"][0].encode(), image="stand:1")


def three_restarts_of_pe_lb_under_load_lose_no_request():
    stand_ins = StandIns(4)
    until(lambda: health()["ready"] >= 4, "the stand-ins are ready")
    wrong, counts, stop = [], [0] * 4, threading.Event()

    def client(number):
        while not stop.is_set():
            word = f"{number}-{counts[number]}"
            try:
                status, result = run_job("stand:1", word)
                if (status, result.get("stdout")) != (200, word):
                    wrong.append((status, result))
            except Exception as error:  # noqa: BLE001: any error means that an answer is missing
                wrong.append(repr(error))
            counts[number] += 1

    clients = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for one in clients:
        one.start()
    for _ in range(3):
        before = sum(counts)
        until(lambda: sum(counts) >= before + 20, "jobs are answered")
        sh("systemctl restart pe-lb.service")
    before = sum(counts)
    until(lambda: sum(counts) >= before + 20, "jobs are answered after the last restart")
    stop.set()
    for one in clients:
        one.join()
    stand_ins.ending = True
    assert not wrong, (f"{len(wrong)} of {sum(counts)} requests:", wrong[:3])
    report(f"# {sum(counts)} requests over three restarts")


def a_reload_of_pe_lb_reads_the_tokens_again():
    sh(f"openssl rand -hex 32 >> {TOKEN} && systemctl reload pe-lb.service")
    until(
        lambda: "images for hosts, certificates and the playground were read again"
        in sh("journalctl -u pe-lb.service -o cat"),
        "the journal says so",
    )


def pe_worker_starts_as_the_operations_page_says_and_joins():
    for command in documented(3):
        command = command.replace("TOKEN-FROM-THE-BALANCER", "/tmp/token").replace(
            "https://balancer.example:8443", "http://" + ADDRESS
        )
        if "/tmp/token" in command:
            sh(f"head -1 {TOKEN} > /tmp/token")
            command += f".worker && sed 's#{TOKEN}#{TOKEN}.worker#' -i /usr/lib/systemd/system/pe-worker.service"
        if "systemctl" in command:
            sh(
                "echo 'PE_WORKER_OPTIONS=--slots 1 --warm busybox:1.35' >> /etc/program-explorer/worker.env"
            )
        sh(command)
    until(lambda: b"busybox:1.35" in ask("GET", "/v1/images")[1], "the worker has joined")


def a_job_sent_with_curl_runs_in_a_vm_of_the_hardened_worker():
    text = sh(
        f'curl -sS --max-time {JOB_SECONDS} -F \'job={{"image":"busybox:1.35",'
        f'"cmd":["echo","hello from a VM"],"timeout_ms":60000}};'
        f"type=application/json' -H 'Accept: application/json' http://{ADDRESS}/v1/run"
    )
    result = json.loads(text)
    assert (result.get("status"), result.get("stdout")) == ("exited", "hello from a VM\n"), text
    engines = sh(
        "journalctl -u pe-worker.service -o cat | grep -o 'qemu+[a-z+]*' | head -1"
    ).strip()
    report(f"# on the engine {engines}")


def vmms_in_cgroups():
    """The processes of VMs. On a slow machine their engine is not the best one, but the next."""
    return sh("cat /sys/fs/cgroup/system.slice/pe-worker.service/pe-vm-*/cgroup.procs 2>/dev/null || true").split()


def the_hardened_worker_has_every_protection_that_the_kernel_has():
    missing = sh("journalctl -u pe-worker.service -o cat | grep 'the jail has no' || true")
    # Linux 6.1 has an older version of Landlock.
    others = [line for line in missing.splitlines() if "no Landlock for " not in line]
    assert not others, others
    until(vmms_in_cgroups, "each VMM is in a cgroup of its own")


def worker_status():
    """What the only worker of this host says, by the command that the documentation names."""
    (worker,) = json.loads(sh("pe-worker status --json"))["workers"]
    return worker


def the_owner_sees_what_the_hardened_worker_does():
    said = worker_status()
    assert said["state"] == "working" and said["jobs"]["done"] >= 1, said
    assert [balancer["state"] for balancer in said["balancers"]] == ["connected"], said
    assert said["images"] == ["busybox:1.35"] and len(said["slots"]) == 1, said
    assert "working since " in sh("pe-worker status")


def stopping_pe_worker_waits_for_its_job_and_leaves_nothing():
    box = []
    thread = threading.Thread(
        target=lambda: box.append(run_job("busybox:1.35", "sh", "-c", "sleep 5; echo done"))
    )
    thread.start()
    until(lambda: health()["running"] == 1, "the job runs")
    sh("systemctl stop pe-worker.service")
    thread.join()
    assert box[0][0] == 200 and box[0][1]["stdout"] == "done\n", box
    assert "Result=success" in state("pe-worker.service"), state("pe-worker.service")
    assert not vmms_in_cgroups(), "VMMs are left"


def until_worker(state, reason="", meanwhile=lambda: None):
    def is_so():
        meanwhile()
        said = worker_status()
        return said["state"] == state and reason in said["reason"]

    until(is_so, f"the worker is {state} {reason}", 300)


def a_session_of_the_owner_begins():
    """On a slow machine logind may not answer PAM in time, and there is none."""
    sh("systemctl stop owner.service 2>/dev/null || true")
    sh("systemd-run --quiet --collect --unit=owner -p User=root -p PAMName=login sleep 3600")
    for _ in range(150):
        if sh("loginctl --no-legend list-sessions").strip():
            return True
        time.sleep(0.2)
    return False


def the_hardened_worker_pauses_while_its_owner_works():
    # Other programs always compute in this slow machine, so that is no sign here.
    more = "--idle-only --idle-after 10 --idle-cpu 100"
    sh(f"sed -i 's/^PE_WORKER_OPTIONS=.*/& {more}/' /etc/program-explorer/worker.env")
    sh("systemctl start pe-worker.service")
    until(lambda: subprocess.run(["pe-worker", "status"], capture_output=True).returncode == 0, "it runs")
    until_worker("working")
    until(a_session_of_the_owner_begins, "logind has a session")
    until_worker("paused", "logind has a session that is not idle")
    sh("systemctl stop owner.service")
    until_worker("working")
    keyboard, terminal = os.openpty()
    until_worker(
        "paused",
        "somebody types at a terminal",
        meanwhile=lambda: os.write(keyboard, b"ls\n") and os.read(terminal, 3),
    )
    os.close(keyboard)
    os.close(terminal)
    until_worker("working")
    sh("systemctl stop pe-worker.service")
    sh("systemctl reset-failed 'session-*.scope' || true")  # its process was killed, as intended


def stopping_pe_lb_ends_it_in_order_and_no_unit_has_failed():
    sh("systemctl stop pe-lb.socket pe-lb.service")
    assert "Result=success" in state("pe-lb.service"), state("pe-lb.service")
    failed = sh("systemctl list-units --failed --no-legend --plain")
    assert not failed.strip(), failed


# The units are started and stopped in this order.
SCENARIOS = [
    pe_lb_starts_as_the_operations_page_says_on_systemds_socket,
    three_restarts_of_pe_lb_under_load_lose_no_request,
    a_reload_of_pe_lb_reads_the_tokens_again,
    pe_worker_starts_as_the_operations_page_says_and_joins,
    a_job_sent_with_curl_runs_in_a_vm_of_the_hardened_worker,
    the_hardened_worker_has_every_protection_that_the_kernel_has,
    the_owner_sees_what_the_hardened_worker_does,
    stopping_pe_worker_waits_for_its_job_and_leaves_nothing,
    the_hardened_worker_pauses_while_its_owner_works,
    stopping_pe_lb_ends_it_in_order_and_no_unit_has_failed,
]


def main():
    show_life()
    with open("/proc/uptime") as uptime:
        report(f"# the VM is up after {float(uptime.read().split()[0]):.0f} s")
    sh("ip link set lo up; [ -c /dev/kvm ] || mknod /dev/kvm c 10 232; chmod 666 /dev/kvm")
    for function in SCENARIOS:
        started = time.monotonic()
        try:
            function()
            report(f"ok {function.__name__}")
        except Exception:  # a scenario may fail in any way
            report(f"not ok {function.__name__}")
            for unit in "pe-lb", "pe-worker":
                report(sh(f"journalctl -u {unit} -n 15 -o cat --no-pager || true"))
            report(traceback.format_exc())  # at the end, where pytest and CI show it
        report(f"# {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
