# SPDX-License-Identifier: Apache-2.0
"""`pe-worker doctor`: what it says about a host, as root, as another user, and where nothing works."""
import glob
import os
import shutil
import subprocess

import pytest

from fixtures.confined import AS_NOBODY, NAMESPACES
from fixtures.doctor_report import assert_documented, report_of
from fixtures.paths import program
from fixtures.pe_image import make_tar, member, run
from fixtures.secret_file import secret_file

PROTECTIONS = (
    "own user",
    *NAMESPACES,
    "Landlock for files",
    "seccomp filter",
    "memory limit",
)


@pytest.fixture
def doctor(tmp_path):
    """A function that runs the doctor with options. All runs of a test share what is remembered."""
    os.chmod(tmp_path, 0o777)

    def run(*options, wrapper=()):
        folders = ["--state", f"{tmp_path}/state", "--run-dir", f"{tmp_path}/run"]
        done = subprocess.run(
            [*wrapper, program("pe-worker"), "doctor", *folders, *options],
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.fixture(scope="module")
def known(tmp_path_factory):
    """As `doctor`, with an engine that all runs of this file remember: it is tried only once."""
    folder = tmp_path_factory.mktemp("known")

    def run(*options):
        folders = ["--state", f"{folder}/state", "--run-dir", f"{folder}/run"]
        argv = [program("pe-worker"), "doctor", *folders, "--vmm", "uml+boot", *options]
        done = subprocess.run(argv, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    return run


def lines(report, word):
    """The findings that begin with a word, without it."""
    return [line[11:] for line in report.splitlines() if line.startswith(f"  {word:8} ")]


def word_of(report, finding):
    """The words that lines about a finding begin with."""
    return [line.split()[0] for line in report.splitlines() if line[11:].startswith(finding)]


def test_the_doctor_says_what_works_and_what_confines_vmms(doctor):
    code, said, errors = doctor("--vmm", "qemu+tcg+boot")
    assert code == 0, errors
    assert "qemu+tcg+boot (emulation): a worker here uses it" in lines(said, "ok")
    for protection in PROTECTIONS:
        assert word_of(said, protection) in (["ok"], ["missing"]), protection
    for subject in ("KVM: ", "User Mode Linux kernel: ", "ptrace: ", "memory mappings: ", "Landlock: "):
        assert len(word_of(said, subject)) == 1, subject
    for subject in ("cgroups: ", "seccomp: ", "user namespaces: ", "CPU flags: ", "QEMU "):
        assert len(word_of(said, subject)) == 1, subject
    for subject in ("SMT: ", "swap: ", "processor: ", "memory: "):
        assert word_of(said, subject) in (["ok"], ["warning"]), subject
    assert "Jobs can run here, with emulation isolation." in said


def test_the_doctor_tries_engines_again_only_if_it_is_asked_to(doctor, tmp_path):
    options = ("--vmm", "qemu+tcg+boot", "--cloud-hypervisor", "/nowhere/ch")
    assert "uml+boot (kernel): --probe-again tries it" in lines(doctor(*options)[1], "untried")
    remembered = os.stat(tmp_path / "state" / "engines").st_mtime_ns
    doctor(*options)
    assert os.stat(tmp_path / "state" / "engines").st_mtime_ns == remembered
    said = doctor(*options, "--probe-again")[1]
    assert [line for line in lines(said, "untried") if "+" in line] == []
    assert "cloud-hypervisor+kvm+boot (hardware): there is no /nowhere/ch" in lines(said, "missing")


def test_without_root_jobs_can_run_and_the_doctor_says_what_is_missing(doctor):
    code, said, errors = doctor("--vmm", "qemu+tcg+boot", wrapper=AS_NOBODY)
    assert code == 0, errors
    assert any("runs as user 65534" in line for line in lines(said, "warning"))
    assert [line for line in lines(said, "missing") if line.startswith("own user: ")]
    assert "seccomp filter" in lines(said, "ok")


def test_where_no_engine_works_the_doctor_fails_and_says_why(doctor):
    code, said, errors = doctor(
        *("--qemu", "/nowhere/qemu"),
        *("--uml-kernel", "/nowhere/linux"),
        *("--cloud-hypervisor", "/nowhere/ch"),
    )
    assert code == 1
    assert any("no engine works on this host" in line for line in lines(said, "missing")), errors
    assert "Jobs cannot run here: see engine." in said
    assert "qemu+tcg+boot (emulation): there is no /nowhere/qemu" in lines(said, "missing")
    assert [line for line in lines(said, "missing") if "/nowhere/linux" in line and "make uml-kernel" in line]


SILENT_QEMU = """#!/bin/bash
[ "$1" != --version ] || { echo "QEMU emulator version 7.2.22"; exit; }
echo "this VMM does not talk" >&2
for fd in {3..40}; do eval "exec $fd>&-"; done
exec sleep 1000
"""


def test_a_vmm_that_closes_its_serial_port_and_goes_on_counts_as_one_that_has_ended(doctor, tmp_path):
    qemu = f"{tmp_path}/qemu"
    with open(qemu, "w", encoding="utf-8") as file:
        file.write(SILENT_QEMU)
    os.chmod(qemu, 0o755)
    options = ["--vmm", "qemu+tcg+boot", "--qemu", qemu]
    for path in (str(tmp_path), "/usr", "/bin", "/lib", "/lib64", "/etc/ld.so.cache"):
        options += ["--vmm-path", path]
    code, said, errors = doctor(*options)
    assert code == 1, errors
    reason = "qemu+tcg+boot (emulation): the VMM ended: this VMM does not talk"
    assert [line for line in lines(said, "missing") if line.startswith(reason)], said


def test_the_doctor_names_images_that_slots_cannot_read(known, tmp_path):
    elsewhere = f"{tmp_path}/elsewhere"
    for number in range(2):
        tar = make_tar([member("f", b"%d" % number)])
        arguments = ["--name", f"t:{number}", "--store", elsewhere, "-"]
        assert run("import", *arguments, stdin=tar).returncode == 0
    store = f"{tmp_path}/store"
    shutil.copytree(elsewhere, store)
    folder = os.path.dirname(glob.glob(f"{store}/*/rootfs.squashfs")[0])
    shutil.rmtree(folder)
    os.symlink(os.path.join(elsewhere, os.path.basename(folder)), folder)
    said = known("--store", store)[1]
    assert f"images: 1 in {store}" in lines(said, "ok")
    assert "digests: each image has the one in its catalog entry" in lines(said, "ok")
    (named,) = [line for line in lines(said, "missing") if folder in line]
    assert "is a symbolic link" in named and "cp -aL" in named
    os.rename(f"{store}/names", f"{elsewhere}/other-names")
    os.symlink(f"{elsewhere}/other-names", f"{store}/names")
    said = known("--store", store)[1]
    assert len([line for line in lines(said, "missing") if f"{store}/names is a" in line]) == 2
    assert any("images: none" in line for line in lines(said, "missing"))


def test_scripts_get_the_report_as_json_with_ids_that_are_documented(known, balancer):
    code, said, errors = known("--json", "--server", balancer.url)
    report, checks = report_of(said)
    assert code == 0 and report["usable"], errors
    assert report["facts"]["engine"] == "uml+boot"
    assert report["facts"]["isolation"] == "kernel"
    assert checks["balancer.token"]["status"] == checks["balancer.clock"]["status"] == "ok"
    assert_documented(checks)
    assert balancer.health()["hosts"] == 0


def test_a_balancer_that_cannot_be_reached_makes_a_host_unusable(known):
    code, said, _ = known("--json", "--server", "http://127.0.0.1:1")
    report, checks = report_of(said)
    assert code == 1 and not report["usable"]
    assert checks["balancer.tcp"]["status"] == "missing"
    assert checks["balancer.token"]["status"] == "untried"
    assert "see balancer.tcp" in report["summary"]
    code, said, _ = known("--json", "--server", "http://name.invalid")
    assert code == 1 and report_of(said)[1]["balancer.dns"]["status"] == "missing"


def test_a_wrong_command_line_has_an_exit_status_of_its_own(known):
    code, said, errors = known("--nonsense")
    assert (code, said) == (2, ""), errors


def test_an_image_with_another_digest_is_named(known, tmp_path):
    store = f"{tmp_path}/store"
    tar = make_tar([member("f", b"content")])
    assert run("import", "--name", "t:1", "--store", store, "-", stdin=tar).returncode == 0
    (rootfs,) = glob.glob(f"{store}/*/rootfs.squashfs")
    with open(rootfs, "r+b") as file:
        file.seek(4096)
        file.write(b"damage")
    said = known("--store", store, "--warm", "gcc:14")[1]
    assert any("image t:1 has another digest" in line for line in lines(said, "missing"))
    assert any(line.startswith("--warm gcc:14: ") for line in lines(said, "missing"))


def test_a_token_that_the_balancer_does_not_know_is_reported(known, start_balancer, tmp_path):
    own = tmp_path / "own"
    own.touch(0o600)
    balancer = start_balancer("--token-file", secret_file(tmp_path / "tokens", "right\n"))
    for token, status, exit_code in ("wrong", "missing", 1), ("right", "ok", 0):
        own.write_text(token)
        code, said, errors = known("--json", "--server", balancer.url, "--token-file", str(own))
        assert report_of(said)[1]["balancer.token"]["status"] == status, errors
        assert code == exit_code


def test_a_file_of_the_token_that_others_may_read_is_reported_with_the_command_that_repairs_it(
    known, balancer, tmp_path
):
    token = secret_file(tmp_path / "token", "secret\n")
    os.chmod(token, 0o644)
    code, said, errors = known("--json", "--server", balancer.url, "--token-file", token)
    report, checks = report_of(said)
    assert code == 1 and not report["usable"], errors
    found = [check for check in report["checks"] if check["id"] == "balancer.token"]
    assert found[0]["status"] == "missing" and f"run: chmod 640 {token}" in found[0]["text"]
    assert checks["balancer.tcp"]["status"] == "ok", "the way there is tried nevertheless"
