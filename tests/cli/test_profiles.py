"""Servers with names: the configuration file."""
import os
import subprocess
import threading

from support import Server, answer, contains, environment, equal, problem, run, write
from test_local import make_home


def configure(work, text, mode=0o600, home=None):
    """A configuration file, and the environment that makes it count."""
    path = f"{home or work}/{'.config' if home else 'config'}/program-explorer/config"
    write(path, text.encode())
    os.chmod(path, mode)
    return {"HOME": home} if home else {"XDG_CONFIG_HOME": f"{work}/config"}


def image_of(done, *servers):
    """Which of the servers got the job."""
    return done.returncode, [index for index, server in enumerate(servers) if server.count]


def test_a_profile_is_chosen_by_option_environment_or_default(work):
    cases = [((), {}, 0), (("--profile", "b"), {}, 1), (("-p", "b"), {"PE_PROFILE": "a"}, 1), (("-s", "b"), {}, 1),
             ((), {"PE_PROFILE": "b"}, 1), ((), {"PE_SERVER": "b"}, 1), ((), {"PE_SERVER": "b", "PE_PROFILE": "a"}, 1),
             (("--profile", "a"), {"PE_SERVER": "b"}, 0), ((), {"PE_SERVER": "", "PE_PROFILE": ""}, 0)]
    for arguments, more, wanted in cases:
        with Server(answer()) as a, Server(answer()) as b:
            settings = configure(work, f"# servers\ndefault = a\n\n[profile a]\nserver = {a.url} ; here\n[profile b]\nserver={b.url}\n")
            done = run(*arguments, "gcc:14", **settings, **more)
            equal(image_of(done, a, b), (0, [wanted]), (arguments, more, done.stderr))


def test_a_url_goes_before_the_file_and_local_starts_a_service(work):
    with Server(answer()) as a, Server(answer()) as b:
        settings = configure(work, f"default = a\n[profile a]\nserver = {a.url}\n")
        equal(image_of(run("gcc:14", server=b, **settings), a, b), (0, [1]), "PE_SERVER")
        home = make_home(work, answer(stdout=b"own"))
        equal(run("--server", "local", "gcc:14", **settings, **home).stdout, b"own", "local")
        equal(run("gcc:14", PE_PROFILE="local", **settings, **home).stdout, b"own", "local")
        equal(a.count, 0, "jobs")


def test_the_file_is_looked_for_where_xdg_says(work):
    with Server(answer()) as server:
        text = f"default=a\n[profile a]\nserver={server.url}\n"
        equal(run("gcc:14", **configure(work, text, home=work)).returncode, 0, "~/.config")
        equal(server.count, 1, "jobs")
        equal(run("gcc:14", XDG_CONFIG_HOME="relative", **configure(work, text, home=work)).returncode, 0, "not a relative one")
        equal(server.count, 2, "jobs")


def test_mistakes_in_the_file_are_said_with_file_and_line(work):
    good = "[profile a]\nserver=http://127.0.0.1:9\n"
    cases = [("nonsense\n", 1, "neither [profile NAME] nor"), ("\n\ndefault = b c\n", 3, "'b c' is not a valid profile name"),
             ("colour = red\n" + good, 1, "only 'default' may stand before"), ("[profiles a]\nserver=http://x\n", 2, "is not [profile NAME]"),
             ("[profile " + "n" * 41 + "]\nserver=http://x\n", 2, "at most 40"), ("[profile a]\nserver=ftp://x\n", 2, "is not the URL of a server"),
             ("[profile local]\nserver=http://x\n", 2, "choose another name"), ("[profile a]\nsever=http://x\n", 2, "unknown key 'sever'"),
             (good + "server=http://127.0.0.1:9\n", 3, "given twice"), (good + "token=a b\n", 3, "printable"),
             (good + "x" * 300 + "=1\n", 3, "longer than"), (good + "ca=/nonexistent\n", 3, "/nonexistent: No such file"),
             (good + "token-file=none\n", 3, "there is no file"), (good + "\0\n", 3, "NUL byte"), ("[profile a\n", 1, "neither")]
    for text, line, why in cases:
        settings = configure(work, text)
        done = run("-p", "a", "gcc:14", **settings)
        equal((done.returncode, done.stdout), (78, b""), text[:60])
        contains(done.stderr.decode(), f"{work}/config/program-explorer/config:{line}: ")
        contains(done.stderr.decode(), why)


def test_a_profile_that_is_not_there_is_said(work):
    for arguments, more in ((("--profile", "b"), {}), (("--server", "b"), {}), ((), {"PE_PROFILE": "b"}), ((), {"PE_SERVER": "b"})):
        done = run(*arguments, "gcc:14", **configure(work, "[profile a]\nserver=http://x\n"), **more)
        equal(done.returncode, 64, (arguments, more))
        contains(done.stderr, b"there is no [profile b] in ")
        done = run(*arguments, "gcc:14", XDG_CONFIG_HOME=f"{work}/none", **more)
        equal(done.returncode, 64, (arguments, more))
        contains(done.stderr, b"there is no file ")
    done = run("--server", "what is this", "gcc:14")
    equal(done.returncode, 64, "no name and no URL")
    contains(done.stderr, b"neither a URL")
    done = run("gcc:14", **configure(work, "default=b\n[profile a]\nserver=http://x\n"))
    equal(done.returncode, 78, "a default that is not there")
    equal(run("gcc:14", **configure(work, "[profile a]\ntoken=x\n"), PE_PROFILE="a").returncode, 78, "no server")
    equal(run("-s", "http://x", "-p", "a", "gcc:14").returncode, 64, "both")


def test_a_token_goes_to_the_server_and_a_refused_one_is_explained(work):
    with Server(answer()) as server:
        settings = configure(work, f"[profile a]\nserver={server.url}\ntoken=s3cret\n")
        equal(run("-p", "a", "gcc:14", **settings).returncode, 0, "exit code")
        equal(server.seen["authorization"], "Bearer s3cret", "header")
        write(f"{work}/config/program-explorer/t", b"fr0m-file\n")
        os.chmod(f"{work}/config/program-explorer/t", 0o600)
        settings = configure(work, f"[profile a]\nserver={server.url}\ntoken-file=t\n")
        equal(run("-p", "a", "gcc:14", **settings).returncode, 0, "exit code")
        equal(server.seen["authorization"], "Bearer fr0m-file", "header")
    for status in (401, 403):
        with Server((status, {"Content-Type": "text/html"}, b"no")) as server:
            done = run("gcc:14", server=server)
            equal(done.returncode, 77, "exit code")
            contains(done.stderr, b"wants other credentials")


def test_secrets_that_others_may_read_are_not_used(work):
    with Server(answer()) as server:
        for mode in (0o640, 0o604):
            settings = configure(work, f"[profile a]\nserver={server.url}\ntoken=s3cret\n", mode)
            done = run("-p", "a", "gcc:14", **settings)
            equal(done.returncode, 78, oct(mode))
            contains(done.stderr, b":3: other users may read this file, which holds a token; run: chmod 600 ")
        write(f"{work}/config/program-explorer/t", b"x\n")
        os.chmod(f"{work}/config/program-explorer/t", 0o644)
        done = run("-p", "a", "gcc:14", **configure(work, f"[profile a]\nserver={server.url}\ntoken-file=t\n", 0o644))
        equal(done.returncode, 78, "token file")
        contains(done.stderr, b"chmod 600 ")
        plain = configure(work, f"[profile a]\nserver={server.url}\n", 0o644)
        equal(run("-p", "a", "gcc:14", **plain).returncode, 0, "no secret in it")
        path = f"{work}/config/program-explorer/config"
        os.chown(path, 12345, -1)
        contains(run("-p", "a", "gcc:14", **plain).stderr, b"belongs to another user")
        equal(server.count, 1, "jobs")


def test_a_token_is_not_sent_in_the_clear(work):
    done = run("-p", "a", "gcc:14", **configure(work, "[profile a]\nserver=http://pe.example\ntoken=s3cret\n"))
    equal(done.returncode, 78, "exit code")
    contains(done.stderr, b"use https://")
    equal(b"s3cret" in done.stderr, False, "the token is not shown")


def test_certificates_of_a_profile_are_used(work):
    import ssl
    for name in ("ca", "me"):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-keyout", f"{work}/{name}.key", "-out", f"{work}/{name}.pem", "-subj", "/CN=localhost", "-addext",
                        "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    with Server(answer()) as server:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(f"{work}/ca.pem", f"{work}/ca.key")
        context.load_verify_locations(f"{work}/me.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        server.http.socket = context.wrap_socket(server.http.socket, server_side=True)
        url = f"server=https://localhost:{server.http.server_port}\n"
        with_ca = f"[profile a]\n{url}ca={work}/ca.pem\n"
        for text, code in ((f"[profile a]\n{url}", 69), (with_ca, 69), (f"{with_ca}cert=../../me.pem\nkey=~/me.key\n", 0)):
            settings = configure(work, text)
            equal(run("-p", "a", "gcc:14", **{**settings, "HOME": work}).returncode, code, text)
