# SPDX-License-Identifier: Apache-2.0
"""The file with the worker's token: others must not be able to read it."""
import os
import subprocess

import pytest

from fixtures.paths import program

NOBODY = 65534


def start(tmp_path, token_file, **options):
    """Run a worker that ends before it looks at engines: its run directory cannot be made. It needs no guest."""
    for name in "file", "kernel", "initramfs":
        (tmp_path / name).touch()
    command = [program("pe-worker"), "--server", "http://127.0.0.1:1", "--token-file", token_file]
    command += ["--run-dir", f"{tmp_path}/file/run", "--state", f"{tmp_path}/state"]
    command += ["--kernel", f"{tmp_path}/kernel", "--initramfs", f"{tmp_path}/initramfs"]
    done = subprocess.run(
        command, stderr=subprocess.PIPE, text=True, check=False, timeout=120, **options
    )
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660])
def test_a_token_file_that_others_may_read_or_change_is_refused_with_the_command_that_repairs_it(
    tmp_path, mode
):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(mode)
    said = start(tmp_path, str(token))
    assert f"--token-file: others may read or change {token}" in said
    assert f"run: chmod 640 {token}" in said
    token.chmod(0o640)
    assert "--token-file" not in start(tmp_path, str(token))


def test_a_token_file_that_belongs_to_another_user_is_refused(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    os.chown(token, NOBODY, NOBODY)
    assert f"{token} belongs to another user" in start(tmp_path, str(token))


def test_a_token_can_come_from_a_pipe_or_as_systemd_gives_credentials(tmp_path):
    read, write = os.pipe()
    os.write(write, b"secret\n")
    os.close(write)
    assert "--token-file" not in start(tmp_path, f"/dev/fd/{read}", pass_fds=[read])
    os.close(read)
    # A credential belongs to root and has the mode 0400; with User= an access list shows as 0440.
    for mode in 0o400, 0o440:
        credential = tmp_path / f"credential-{mode}"
        credential.write_text("secret\n")
        credential.chmod(mode)
        assert "--token-file" not in start(tmp_path, str(credential))
