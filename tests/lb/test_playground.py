# SPDX-License-Identifier: Apache-2.0
"""The playground's files: which are served, in which coding, and with which policy."""
import gzip
import os
import signal

import pytest

from fixtures.http_client import assert_refused
from fixtures.waiting import eventually


HTML = {"Accept": "text/html,*/*"}
SCRIPT = b"console.log(1);" * 40


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


@pytest.fixture
def page_folder(tmp_path):
    write(tmp_path, "index.html", b"<!doctype html><title>first</title>")
    write(tmp_path, "assets/main-ABCD1234.js", SCRIPT)
    write(tmp_path, "assets/main-ABCD1234.js.gz", gzip.compress(SCRIPT))
    write(tmp_path, "assets/main-ABCD1234.js.br", b"pretended brotli")
    write(tmp_path, "assets/icon-ABCD1234.svg", b"<svg/>")
    return str(tmp_path)


def test_the_playground_has_a_strict_policy_and_only_its_embedded_form_may_be_framed(
    page_folder, start_balancer
):
    balancer = start_balancer("--playground", page_folder)
    page = balancer.request("GET", "/", headers=HTML)
    assert page.status == 200
    assert page.body == b"<!doctype html><title>first</title>"
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    policy = page.headers["Content-Security-Policy"]
    assert [
        "default-src 'none'" in policy,
        "script-src 'self';" in policy,
        "frame-ancestors 'none'" in policy,
    ] == [True] * 3, policy
    assert not ("unsafe" in policy), policy
    assert [
        page.headers[name]
        for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control")
    ] == ["nosniff", "no-referrer", "no-cache"]
    embedded = balancer.request("GET", "/embed?readonly", headers=HTML)
    assert embedded.status == 200
    assert embedded.body == page.body
    assert embedded.headers["Content-Security-Policy"] == policy.replace(
        "frame-ancestors 'none'", "frame-ancestors *"
    )


def test_a_client_that_accepts_no_html_gets_a_description_of_the_service(
    page_folder, start_balancer
):
    balancer = start_balancer("--playground", page_folder)
    about = balancer.request("GET", "/", headers={"Accept": "*/*"})
    assert about.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert b"/v1/run" in about.body
    assert about.headers["Vary"] == "Accept"


def test_files_are_sent_in_a_coding_that_the_browser_accepts_and_are_immutable(
    page_folder, start_balancer
):
    balancer = start_balancer("--playground", page_folder)

    def get(accept, name="/assets/main-ABCD1234.js"):
        answer = balancer.request(
            "GET", name, headers={"Accept-Encoding": accept} if accept else {}
        )
        return answer, answer.headers.get("Content-Encoding")

    answer, coding = get("gzip, deflate, br, zstd")
    assert coding == "br"
    assert answer.body == b"pretended brotli"
    answer, coding = get("gzip;q=0.5, br;q=0")
    assert coding == "gzip"
    assert gzip.decompress(answer.body) == SCRIPT
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    assert "immutable" in answer.headers["Cache-Control"]
    assert "Accept-Encoding" in answer.headers["Vary"]
    for accept in ("", "identity", "brotli, gzipped", "br;q=0.000, gzip; q=0", "gzip;q=0 \t, br;q=0. "):
        assert get(accept)[1] is None, accept
        assert get(accept)[0].body == SCRIPT, accept
    assert get("br", "/assets/icon-ABCD1234.svg")[1] is None
    assert balancer.request("HEAD", "/assets/main-ABCD1234.js").headers["Content-Length"] == str(
        len(SCRIPT)
    )


def test_a_file_that_the_browser_has_is_not_sent_again(page_folder, start_balancer):
    balancer = start_balancer("--playground", page_folder)
    etag = balancer.request("GET", "/", headers=HTML).headers["ETag"]
    for known in (etag, f'"other", {etag}', "*", f"W/{etag}"):
        answer = balancer.request("GET", "/", headers={**HTML, "If-None-Match": known})
        assert answer.status == 304, known
        assert answer.body == b"", known
        assert answer.headers["ETag"] == etag, known
    assert balancer.request("GET", "/", headers={**HTML, "If-None-Match": '"other"'}).status == 200


def test_only_the_playgrounds_own_files_are_served_however_a_path_is_spelled(
    page_folder, start_balancer
):
    balancer = start_balancer("--playground", page_folder)
    write(page_folder, "secret", b"secret")
    for path in (
        "/assets/",
        "/assets/../secret",
        "/assets/%2e%2e/secret",
        "/assets/main-ABCD1234.js.gz",
        "/assets//main-ABCD1234.js/",
        "/assets/" + "a" * 5000,
        "/assets/a%00b",
        "/index.html",
        "/secret",
        "/embed/",
        "/assets",
    ):
        assert_refused(balancer.request("GET", path, headers=HTML), 404, "not-found")
    for path in ("/", "/embed", "/assets/main-ABCD1234.js"):
        answer = balancer.request("POST", path, b"x", HTML)
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET, HEAD"


def test_a_new_playground_is_read_on_sighup_and_a_broken_one_changes_nothing(
    page_folder, start_balancer
):
    balancer = start_balancer("--playground", page_folder)

    def title():
        return balancer.request("GET", "/", headers=HTML).body

    write(page_folder, "index.html", b"second")
    assert title() == b"<!doctype html><title>first</title>"
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: title() == b"second", "the second page")
    write(page_folder, "index.html", b"third")
    write(page_folder, "assets/strange name", b"")
    balancer.process.send_signal(signal.SIGHUP)
    eventually(lambda: "what was there before stays" in balancer.log(), "the complaint")
    assert title() == b"second"


def test_a_named_playground_must_exist_but_the_default_one_may_be_missing(
    start_balancer, tmp_path, monkeypatch
):
    with pytest.raises(AssertionError, match="none: run .make playground."):
        start_balancer("--playground", f"{tmp_path}/none")
    monkeypatch.setenv("PE_HOME", str(tmp_path))
    balancer = start_balancer()
    assert (
        balancer.request("GET", "/", headers=HTML).headers["Content-Type"]
        == "text/plain; charset=utf-8"
    )
    assert_refused(balancer.request("GET", "/embed"), 404, "not-found")
