# SPDX-License-Identifier: Apache-2.0
"""`pe-lb doctor`: what it says about a machine and its options, and that it disturbs no balancer."""
import os
import stat
import subprocess

import pytest

from fixtures.certificates import make_certificate
from fixtures.doctor_report import assert_documented, report_of
from fixtures.paths import program
from fixtures.secret_file import secret_file


def doctor(*options, json=True):
    argv = [program("pe-lb"), "doctor", *options, *(["--json"] if json else [])]
    done = subprocess.run(argv, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def checks_of(*options):
    return report_of(doctor(*options)[1])[1]


def missing_with(*options):
    """The texts of all checks that fail with these options."""
    report, _ = report_of(doctor(*options)[1])
    return [check["text"] for check in report["checks"] if check["status"] == "missing"]


def test_the_report_of_a_balancer_has_ids_that_are_documented(tmp_path):
    code, said, errors = doctor("--spool-dir", str(tmp_path), "--cache-dir", str(tmp_path))
    report, checks = report_of(said)
    assert code == 0 and report["usable"], errors
    assert_documented(checks)
    for name in "listen", "spool", "cache":
        assert checks[name]["status"] == "ok", checks[name]
    assert checks["tokens"]["status"] == "warning"
    assert "anyone who can connect may join" in checks["tokens"]["text"]


def test_people_get_a_line_for_each_check():
    code, said, _ = doctor(json=False)
    assert code == 0
    assert "\n  warning  tokens: " in said and "A balancer can run here." in said


def test_a_balancer_that_runs_is_not_disturbed(balancer):
    checks = checks_of("--listen", balancer.tcp, "--listen", balancer.unix)
    assert checks["listen"]["status"] == "ok"
    assert balancer.health()["status"] == "ok"
    assert stat.S_ISSOCK(os.stat(balancer.path).st_mode)


def test_what_a_balancer_cannot_do_without_makes_a_machine_unusable(tmp_path):
    for options, name, words in (
        (("--listen", "nonsense"), "listen", "expects HOST:PORT"),
        (("--listen", f"unix:{tmp_path}/none/lb.sock"), "listen", "cannot make a socket"),
        (("--spool-dir", f"{tmp_path}/none"), "spool", "cannot be written to"),
        (("--cache-dir", f"{tmp_path}/none"), "cache", "cannot be written to"),
        (("--token-file", f"{tmp_path}/none"), "tokens", "--token-file"),
        (("--tls-cert", "/dev/null", "--tls-key", "/dev/null"), "tls", "/dev/null"),
    ):
        code, said, _ = doctor(*options)
        report, checks = report_of(said)
        assert code == 1 and not report["usable"], options
        assert checks[name]["status"] == "missing" and words in checks[name]["text"], checks[name]
        assert name in report["summary"]


@pytest.mark.parametrize("option", ["--token-file", "--admin-token-file"])
def test_tokens_that_others_may_read_are_reported_with_the_command_that_repairs_it(tmp_path, option):
    tokens = secret_file(tmp_path / "tokens", "secret\n")
    os.chmod(tokens, 0o644)
    (said,) = missing_with(option, tokens)
    assert option in said and f"run: chmod 640 {tokens}" in said
    os.chmod(tokens, 0o640)
    assert not missing_with(option, tokens)


@pytest.mark.parametrize(
    "options, name, words",
    [
        (("--tokens", "{}"), "tokens", "are damaged; restore the file"),
        (("--key-file", "{}/tokens.json"), "keys", "--key-file: {}/tokens.json"),
        (("--key-file", "{}/open"), "keys", "run: chmod 640 {}/open"),
        (("--key-file", "{}/none"), "keys", "there is no file"),
        (("--host-images", "{}/tokens.json"), "images", "line 1: the first line must be the URL"),
        (("--playground", "{}/none"), "playground", "there is no playground in {}/none"),
        (("--redis", "unix:/none", "--redis-password-file", "{}/open"), "redis", "run: chmod 640"),
    ],
)
def test_a_file_with_which_no_balancer_starts_is_reported(tmp_path, options, name, words):
    secret_file(tmp_path / "tokens.json", '{"hosts":[{}]}')
    os.chmod(secret_file(tmp_path / "open", '{"keys":[]}'), 0o644)
    options = [option.format(tmp_path) for option in options]
    start = subprocess.run(
        [program("pe-lb"), "--listen", f"unix:{tmp_path}/lb", *options], capture_output=True, text=True
    )
    code, said, _ = doctor("--listen", f"unix:{tmp_path}/lb", *options)
    check = report_of(said)[1][name]
    assert start.returncode == 1 and code == 1
    for text in start.stderr, check["text"]:
        assert words.format(tmp_path) in text
    assert check["status"] == "missing"


def test_files_of_tokens_keys_and_images_that_can_be_used_are_counted(tmp_path):
    lb = program("pe-lb")
    tokens, keys = ("--tokens", f"{tmp_path}/tokens"), ("--key-file", f"{tmp_path}/keys")
    assert subprocess.run([lb, "token", "new", "--host", "den", *tokens]).returncode == 0
    assert subprocess.run([lb, "key", "new", "--name", "alice", *keys]).returncode == 0
    images = tmp_path / "images"
    images.write_text("http://images.example\ngcc:14\n")
    checks = checks_of(*tokens, *keys, "--host-images", str(images))
    assert_documented(checks)
    assert f"1 host has joined or may join, in {tmp_path}/tokens" in checks["tokens"]["text"]
    assert f"1 in {tmp_path}/keys" in checks["keys"]["text"]
    assert "http://images.example" in checks["images"]["text"]
    assert {checks[name]["status"] for name in ("tokens", "keys", "images")} == {"ok"}


def test_a_memcached_that_does_not_answer_is_a_warning():
    check = checks_of("--memcached", "127.0.0.1:1")["memcached"]
    assert check["status"] == "warning" and "nobody answers at 127.0.0.1:1" in check["text"]


def test_the_days_that_a_certificate_is_valid_are_counted(tmp_path):
    certificate, key = f"{tmp_path}/cert", f"{tmp_path}/key"
    make_certificate("localhost", certificate, key)
    check = checks_of("--tls-cert", certificate, "--tls-key", key)["tls"]
    assert check["status"] == "warning" and "renew it" in check["text"]


@pytest.mark.parametrize(
    "options, words",
    [
        (("--nonsense",), "unknown option '--nonsense'"),
        (("-X",), "unknown option '-X'"),
        (("--trusted-proxy", "nonsense"), "--trusted-proxy: 'nonsense' is neither an address"),
        (("--trusted-host", "rack1"), "--trusted-host needs --tokens"),
        (("--trusted-host", "../x", "--tokens", "/none"), "'../x' is no name of a host"),
        (("--memcached", "a:1", "--redis", "b:2"), "cannot be used together"),
    ],
)
def test_a_command_line_with_which_no_balancer_starts_is_refused_by_the_doctor_as_well(options, words):
    start = subprocess.run([program("pe-lb"), *options], capture_output=True, text=True, timeout=180)
    code, said, errors = doctor(*options)
    assert (start.returncode, code, said) == (2, 2, "")
    assert words in start.stderr and words in errors


def test_the_option_of_the_report_is_one_of_the_doctor():
    run = subprocess.run([program("pe-lb"), "--json"], capture_output=True, text=True)
    assert run.returncode == 2 and "pe-lb doctor" in run.stderr
