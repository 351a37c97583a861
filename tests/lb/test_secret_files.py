# SPDX-License-Identifier: Apache-2.0
"""Files of the balancer with secrets: it refuses those that others may read or change."""
import os
import signal
import subprocess

import pytest

from fixtures.certificates import make_certificate
from fixtures.paths import program
from fixtures.secret_file import secret_file
from fixtures.stand_in_worker import WebSocket
from fixtures.waiting import PATIENCE, eventually

NOBODY = 65534


def options_for(option, tmp_path):
    """Options of a balancer, the last of which names a good file."""
    if option == "--tls-key":
        certificate, key = f"{tmp_path}/cert.pem", f"{tmp_path}/key.pem"
        make_certificate("localhost", certificate, key)
        return ("--listen-tls", f"unix:{tmp_path}/tls.sock", "--tls-cert", certificate, option, key)
    text = '{"keys": []}' if option == "--key-file" else "secret\n"
    redis = ("--redis", f"unix:{tmp_path}/redis.sock") if option.startswith("--redis") else ()
    return (*redis, option, secret_file(tmp_path / "secret", text))


def refusal(options):
    """What a balancer says that cannot start with these options."""
    done = subprocess.run(
        [program("pe-lb"), "--listen", "127.0.0.1:0", *options],
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    return done.stderr


OPTIONS = ["--token-file", "--admin-token-file", "--key-file", "--redis-password-file", "--tls-key"]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_with_secrets_that_others_may_use_is_refused_with_the_command_that_repairs_it(
    start_balancer, tmp_path, option
):
    options = options_for(option, tmp_path)
    for mode in 0o644, 0o604, 0o660:
        os.chmod(options[-1], mode)
        said = refusal(options)
        assert f"others may read or change {options[-1]}" in said, oct(mode)
        assert f"run: chmod 640 {options[-1]}" in said and option[2:5] in said.lower()
    os.chmod(options[-1], 0o640)
    assert start_balancer(*options).health()["status"] == "ok"


@pytest.mark.parametrize("option", OPTIONS)
def test_a_file_with_secrets_that_belongs_to_another_user_is_refused(tmp_path, option):
    options = options_for(option, tmp_path)
    os.chown(options[-1], NOBODY, NOBODY)
    assert f"{options[-1]} belongs to another user" in refusal(options)


def test_tokens_that_others_may_read_since_the_start_are_not_read_again(start_balancer, tmp_path):
    tokens = secret_file(tmp_path / "tokens", "first\n")
    balancer = start_balancer("--token-file", tokens)
    secret_file(tokens, "second\n")
    os.chmod(tokens, 0o644)
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: f"run: chmod 640 {tokens}" in balancer.log(), "the complaint")
    for token, status in ("first", 101), ("second", 401):
        link = WebSocket(balancer.address, "/v1/control", token=token)
        assert link.status == status
        link.close()
