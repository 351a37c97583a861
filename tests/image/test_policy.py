# SPDX-License-Identifier: Apache-2.0
"""Which images `pull` accepts: signatures that a policy.json of skopeo demands, and digests. The signatures
are made offline, with a key of GnuPG that only the test has."""
import contextlib
import json
import os
import subprocess
import tempfile

import pytest

from fixtures.oci_layout import Layout
from fixtures.pe_image import checked, make_tar, member, run, sha256
from fixtures.registry import push

NAME = "registry.example/signed:1"  # what the signature says that the image is
SIGNER = "signer@example.org"


@contextlib.contextmanager
def gnupg_home():
    """A home of GnuPG with one key. Its path is short, because the agent's socket is in it."""
    with tempfile.TemporaryDirectory(prefix="pe-gpg-", dir="/tmp") as home:
        environment = {**os.environ, "GNUPGHOME": home}
        quiet = ["gpg", "--batch", "--quiet", "--no-tty", "--pinentry-mode", "loopback"]
        make = ["--passphrase", "", "--quick-generate-key", SIGNER, "ed25519", "sign", "never"]
        try:
            subprocess.run([*quiet, *make], env=environment, check=True, capture_output=True)
            with open(f"{home}/key.gpg", "wb") as file:
                subprocess.run([*quiet, "--export"], env=environment, check=True, stdout=file)
            yield home
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=True)


def write_policy(path, home, **others):
    """Nothing is accepted but images in directories that the key has signed as NAME."""
    identity = {"type": "exactReference", "dockerReference": NAME}
    signed = {
        "type": "signedBy",
        "keyType": "GPGKeys",
        "keyPath": f"{home}/key.gpg",
        "signedIdentity": identity,
    }
    policy = {"default": [{"type": "reject"}], "transports": {"dir": {"": [signed]}, **others}}
    with open(path, "w") as file:
        json.dump(policy, file)
    return path


def make_image(tmp_path):
    """An image as a directory of skopeo's transport `dir`, which can hold signatures."""
    layout = Layout(f"{tmp_path}/layout").add([make_tar([member("f", b"signed bytes")])])
    checked(
        "skopeo",
        "--insecure-policy",
        "copy",
        "-q",
        f"oci:{layout.path}:latest",
        f"dir:{tmp_path}/image",
    )
    return f"{tmp_path}/image"


def sign(image, home):
    environment = {**os.environ, "GNUPGHOME": home}
    listed = subprocess.run(
        ["gpg", "--batch", "--list-keys", "--with-colons"],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    key = next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))
    command = [
        "skopeo",
        "standalone-sign",
        "-o",
        f"{image}/signature-1",
        f"{image}/manifest.json",
        NAME,
        key,
    ]
    subprocess.run(command, env=environment, check=True, capture_output=True)


def pull(tmp_path, source, *options):
    return run("pull", "--json", "--store", f"{tmp_path}/store", *options, source)


def nothing_is_stored(tmp_path):
    return sorted(os.listdir(f"{tmp_path}/store")) == [".lock", "names"]


def test_an_image_without_the_signature_that_the_policy_demands_is_refused(tmp_path):
    with gnupg_home() as home:
        policy = write_policy(f"{tmp_path}/policy.json", home)
        image = make_image(tmp_path)
        done = pull(tmp_path, f"dir:{image}", "--name", "mine:1", "--policy", policy)
        assert done.returncode == 2, done
        assert b"the signature policy refuses dir:" in done.stderr, done
        assert b"A signature was required, but no signature exists" in done.stderr, done
        assert nothing_is_stored(tmp_path)


def test_an_image_that_is_signed_as_the_policy_demands_is_imported(tmp_path):
    with gnupg_home() as home:
        policy = write_policy(f"{tmp_path}/policy.json", home)
        image = make_image(tmp_path)
        sign(image, home)
        done = pull(tmp_path, f"dir:{image}", "--name", "mine:1", "--policy", policy)
        assert done.returncode == 0, done.stderr.decode()
        assert json.loads(done.stdout)["name"] == "mine:1"


@pytest.mark.parametrize("what", ["a foreign key", "changed bytes"])
def test_an_image_is_refused_whose_signature_does_not_fit(tmp_path, what):
    with gnupg_home() as home, gnupg_home() as other:
        policy = write_policy(f"{tmp_path}/policy.json", other if what == "a foreign key" else home)
        image = make_image(tmp_path)
        sign(image, home)
        if what == "changed bytes":
            with open(f"{image}/manifest.json", "a") as file:
                file.write("\n")
        done = pull(tmp_path, f"dir:{image}", "--name", "mine:1", "--policy", policy)
        assert done.returncode == 2, done
        assert b"the signature policy refuses dir:" in done.stderr, done
        assert nothing_is_stored(tmp_path)


def test_a_policy_that_cannot_be_read_stops_the_pull(tmp_path):
    image = make_image(tmp_path)
    done = pull(tmp_path, f"dir:{image}", "--name", "mine:1", "--policy", f"{tmp_path}/none.json")
    assert done.returncode == 1, done
    assert b"none.json: no such file" in done.stderr, done
    assert nothing_is_stored(tmp_path)


def test_with_require_digest_only_the_named_bytes_are_imported(registry, tmp_path):
    first = Layout(f"{tmp_path}/first").add([make_tar([member("f", b"first")])])
    second = Layout(f"{tmp_path}/second").add([make_tar([member("f", b"second")])])
    push(first.path, "latest", registry.address, "pinned:1")
    source = f"docker://{registry.address}/pinned"
    raw = checked("skopeo", "inspect", "--raw", "--tls-verify=false", f"{source}:1")
    push(second.path, "latest", registry.address, "pinned:1")  # the tag moves
    pin = ("--plain-http", "--require-digest")
    for loose in (f"{source}:1", f"{source}@sha256:12", f"dir:{tmp_path}/x@sha256:{64 * '0'}"):
        done = pull(tmp_path, loose, *pin, "--name", "pinned:1")
        assert done.returncode == 2, done
        assert (
            b"--require-digest refuses" in done.stderr and b"give its digest" in done.stderr
        ), done
    done = pull(tmp_path, f"{source}@{sha256(raw)}", *pin, "--name", "pinned:1")
    assert done.returncode == 0, done.stderr.decode()
    entry = json.loads(done.stdout)
    exported = run("export", "--store", f"{tmp_path}/store", entry["name"], f"{tmp_path}/root.tar")
    assert exported.returncode == 0, exported.stderr.decode()
    assert checked("tar", "-xOf", f"{tmp_path}/root.tar", "f") == b"first"
