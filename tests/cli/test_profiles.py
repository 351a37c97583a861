# SPDX-License-Identifier: Apache-2.0
"""Servers with names: the configuration file."""
import os

from fixtures.certificates import make_certificate
from fixtures.pe_run import make_home, run, write
from fixtures.stub_server import Server, answer


def configure(tmp_path, text, mode=0o600, home=None):
    """A configuration file, and the environment that makes it count."""
    path = f"{home or tmp_path}/{'.config' if home else 'config'}/program-explorer/config"
    write(path, text.encode())
    os.chmod(path, mode)
    return {"HOME": home} if home else {"XDG_CONFIG_HOME": f"{tmp_path}/config"}


def image_of(done, *servers):
    """Which of the servers got the job."""
    return done.returncode, [index for index, server in enumerate(servers) if server.count]


def test_a_profile_is_chosen_by_option_environment_or_default(tmp_path):
    cases = [
        ((), {}, 0),
        (("--profile", "b"), {}, 1),
        (("-p", "b"), {"PE_PROFILE": "a"}, 1),
        (("-s", "b"), {}, 1),
        ((), {"PE_PROFILE": "b"}, 1),
        ((), {"PE_SERVER": "b"}, 1),
        ((), {"PE_SERVER": "b", "PE_PROFILE": "a"}, 1),
        (("--profile", "a"), {"PE_SERVER": "b"}, 0),
        ((), {"PE_SERVER": "", "PE_PROFILE": ""}, 0),
    ]
    for arguments, more, wanted in cases:
        with Server(answer()) as a, Server(answer()) as b:
            settings = configure(
                tmp_path,
                f"# servers\ndefault = a\n\n[profile a]\nserver = {a.url} ; here\n[profile b]\nserver={b.url}\n",
            )
            done = run(*arguments, "gcc:14", **settings, **more)
            assert image_of(done, a, b) == (0, [wanted]), (arguments, more, done.stderr)


def test_a_url_overrides_the_configuration_file_and_local_starts_a_service(tmp_path):
    with Server(answer()) as a, Server(answer()) as b:
        settings = configure(tmp_path, f"default = a\n[profile a]\nserver = {a.url}\n")
        assert image_of(run("gcc:14", server=b, **settings), a, b) == (0, [1]), "PE_SERVER"
        home = make_home(tmp_path, answer(stdout=b"own"))
        assert run("--server", "local", "gcc:14", **settings, **home).stdout == b"own", "local"
        assert run("gcc:14", PE_PROFILE="local", **settings, **home).stdout == b"own", "local"
        assert a.count == 0, "jobs"


def test_the_configuration_file_is_found_by_the_xdg_rules(tmp_path):
    with Server(answer()) as server:
        text = f"default=a\n[profile a]\nserver={server.url}\n"
        assert (
            run("gcc:14", **configure(tmp_path, text, home=tmp_path)).returncode == 0
        ), "~/.config"
        assert server.count == 1, "jobs"
        assert (
            run(
                "gcc:14", XDG_CONFIG_HOME="relative", **configure(tmp_path, text, home=tmp_path)
            ).returncode
            == 0
        ), "not a relative one"
        assert server.count == 2, "jobs"


def test_errors_in_the_configuration_file_are_reported_with_file_and_line(tmp_path):
    good = "[profile a]\nserver=http://127.0.0.1:9\n"
    cases = [
        ("nonsense\n", 1, "neither [profile NAME] nor"),
        ("\n\ndefault = b c\n", 3, "'b c' is not a valid profile name"),
        ("colour = red\n" + good, 1, "only 'default' may stand before"),
        ("[profiles a]\nserver=http://x\n", 2, "is not [profile NAME]"),
        ("[profile " + "n" * 41 + "]\nserver=http://x\n", 2, "at most 40"),
        ("[profile a]\nserver=ftp://x\n", 2, "is not the URL of a server"),
        ("[profile local]\nserver=http://x\n", 2, "choose another name"),
        ("[profile a]\nsever=http://x\n", 2, "unknown key 'sever'"),
        (good + "server=http://127.0.0.1:9\n", 3, "given twice"),
        (good + "token=a b\n", 3, "printable"),
        (good + "x" * 300 + "=1\n", 3, "longer than"),
        (good + "ca=/nonexistent\n", 3, "/nonexistent: No such file"),
        (good + "token-file=none\n", 3, "there is no file"),
        (good + "\0\n", 3, "NUL byte"),
        ("[profile a\n", 1, "neither"),
    ]
    for text, line, why in cases:
        settings = configure(tmp_path, text)
        done = run("-p", "a", "gcc:14", **settings)
        assert done.returncode == 78, text[:60]
        assert done.stdout == b"", text[:60]
        assert f"{tmp_path}/config/program-explorer/config:{line}: " in done.stderr.decode()
        assert why in done.stderr.decode()


def test_a_missing_profile_is_reported(tmp_path):
    for arguments, more in (
        (("--profile", "b"), {}),
        (("--server", "b"), {}),
        ((), {"PE_PROFILE": "b"}),
        ((), {"PE_SERVER": "b"}),
    ):
        done = run(
            *arguments, "gcc:14", **configure(tmp_path, "[profile a]\nserver=http://x\n"), **more
        )
        assert done.returncode == 64, (arguments, more)
        assert b"there is no [profile b] in " in done.stderr
        done = run(*arguments, "gcc:14", XDG_CONFIG_HOME=f"{tmp_path}/none", **more)
        assert done.returncode == 64, (arguments, more)
        assert b"there is no file " in done.stderr
    done = run("--server", "what is this", "gcc:14")
    assert done.returncode == 64, "no name and no URL"
    assert b"neither a URL" in done.stderr
    done = run("gcc:14", **configure(tmp_path, "default=b\n[profile a]\nserver=http://x\n"))
    assert done.returncode == 78, "a default that is not there"
    assert (
        run("gcc:14", **configure(tmp_path, "[profile a]\ntoken=x\n"), PE_PROFILE="a").returncode
        == 78
    ), "no server"
    assert run("-s", "http://x", "-p", "a", "gcc:14").returncode == 64, "both"


def test_a_token_goes_to_the_server_and_a_refused_one_is_explained(tmp_path):
    with Server(answer()) as server:
        settings = configure(tmp_path, f"[profile a]\nserver={server.url}\ntoken=s3cret\n")
        assert run("-p", "a", "gcc:14", **settings).returncode == 0, "exit code"
        assert server.seen["authorization"] == "Bearer s3cret", "header"
        write(f"{tmp_path}/config/program-explorer/t", b"fr0m-file\n")
        os.chmod(f"{tmp_path}/config/program-explorer/t", 0o600)
        settings = configure(tmp_path, f"[profile a]\nserver={server.url}\ntoken-file=t\n")
        assert run("-p", "a", "gcc:14", **settings).returncode == 0, "exit code"
        assert server.seen["authorization"] == "Bearer fr0m-file", "header"
    for status in (401, 403):
        with Server((status, {"Content-Type": "text/html"}, b"no")) as server:
            done = run("gcc:14", server=server)
            assert done.returncode == 77, "exit code"
            assert b"wants other credentials" in done.stderr


def test_secrets_that_others_may_read_are_not_used(tmp_path):
    with Server(answer()) as server:
        for mode in (0o640, 0o604):
            settings = configure(
                tmp_path, f"[profile a]\nserver={server.url}\ntoken=s3cret\n", mode
            )
            done = run("-p", "a", "gcc:14", **settings)
            assert done.returncode == 78, oct(mode)
            assert (
                b":3: other users may read this file, which holds a token; run: chmod 600 "
                in done.stderr
            )
        write(f"{tmp_path}/config/program-explorer/t", b"x\n")
        os.chmod(f"{tmp_path}/config/program-explorer/t", 0o644)
        done = run(
            "-p",
            "a",
            "gcc:14",
            **configure(tmp_path, f"[profile a]\nserver={server.url}\ntoken-file=t\n", 0o644),
        )
        assert done.returncode == 78, "token file"
        assert b"chmod 600 " in done.stderr
        plain = configure(tmp_path, f"[profile a]\nserver={server.url}\n", 0o644)
        assert run("-p", "a", "gcc:14", **plain).returncode == 0, "no secret in it"
        path = f"{tmp_path}/config/program-explorer/config"
        os.chown(path, 12345, -1)
        assert b"belongs to another user" in run("-p", "a", "gcc:14", **plain).stderr
        assert server.count == 1, "jobs"


def test_a_token_is_not_sent_in_the_clear(tmp_path):
    done = run(
        "-p",
        "a",
        "gcc:14",
        **configure(tmp_path, "[profile a]\nserver=http://pe.example\ntoken=s3cret\n"),
    )
    assert done.returncode == 78, "exit code"
    assert b"use https://" in done.stderr
    assert not (b"s3cret" in done.stderr), "the token is not shown"


def test_certificates_of_a_profile_are_used(tmp_path):
    import ssl

    for name in ("ca", "me"):
        make_certificate("localhost", f"{tmp_path}/{name}.pem", f"{tmp_path}/{name}.key")
    with Server(answer()) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{tmp_path}/ca.pem", f"{tmp_path}/ca.key")
        context.load_verify_locations(f"{tmp_path}/me.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
        url = f"server=https://localhost:{server.http.server_port}\n"
        with_ca = f"[profile a]\n{url}ca={tmp_path}/ca.pem\n"
        for text, code in (
            (f"[profile a]\n{url}", 69),
            (with_ca, 69),
            (f"{with_ca}cert=../../me.pem\nkey=~/me.key\n", 0),
        ):
            settings = configure(tmp_path, text)
            assert (
                run("-p", "a", "gcc:14", **{**settings, "HOME": tmp_path}).returncode == code
            ), text


def test_a_cache_salt_comes_from_the_option_or_the_profile(tmp_path):
    with Server(answer()) as server:
        text = f"default=a\n[profile a]\nserver={server.url}\ncache-salt = from-the-file\n"
        settings = configure(tmp_path, text)
        assert run("gcc:14", **settings).returncode == 0
        assert server.seen["salt"] == "from-the-file"
        assert run("--cache-salt", "s" * 256, "gcc:14", **settings).returncode == 0
        assert server.seen["salt"] == "s" * 256
        assert run("gcc:14", server=server).returncode == 0
        assert server.seen["salt"] is None
        done = run("gcc:14", **configure(tmp_path, text, mode=0o644))
        assert b"which holds a salt" in done.stderr
        for wrong in "", "two words", "a\nHost: b", "s" * 257:
            done = run("--cache-salt", wrong, "gcc:14", server=server)
            assert done.returncode != 0
            assert b"1 to 256 printable characters" in done.stderr, wrong


def test_a_key_takes_the_place_of_the_profiles_token(tmp_path):
    with Server(answer()) as server:
        settings = configure(
            tmp_path, f"default = a\n[profile a]\nserver = {server.url}\ntoken = profile-token\n"
        )
        write(f"{tmp_path}/key", b"pek_file\n")
        os.chmod(f"{tmp_path}/key", 0o600)
        for arguments, more, wanted in (
            ((), {}, "profile-token"),
            (("--key", "pek_option"), {"PE_KEY": "pek_variable"}, "pek_option"),
            ((), {"PE_KEY": "pek_variable"}, "pek_variable"),
            (("--key", f"@{tmp_path}/key"), {}, "pek_file"),
            (("--key", f"@{tmp_path}/key", "--server", server.url), {}, "pek_file"),
        ):
            done = run(*arguments, "gcc:14", **settings, **more)
            assert done.returncode == 0, done.stderr
            assert server.seen["authorization"] == f"Bearer {wanted}", arguments


def test_a_key_is_refused_that_others_can_read_or_that_would_be_sent_unencrypted(tmp_path):
    write(f"{tmp_path}/key", b"pek_file\n")
    os.chmod(f"{tmp_path}/key", 0o644)
    own = ("--server", "http://127.0.0.1:1")
    for arguments, text in (
        ((*own, "--key", f"@{tmp_path}/key"), b"other users may read"),
        ((*own, "--key", f"@{tmp_path}/none"), b"there is no file"),
        ((*own, "--key", "two words"), b"printable characters"),
        (("--server", "http://10.0.0.7:1", "--key", "pek_x"), b"would be sent unencrypted"),
    ):
        done = run(*arguments, "gcc:14")
        assert done.returncode != 0 and text in done.stderr, done.stderr
