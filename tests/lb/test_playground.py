"""The playground's files: what is served, in which coding, and behind which fences."""
import contextlib
import gzip
import os
import signal
import tempfile

from harness import Balancer, equal, eventually, request, test
from test_requests import refused

HTML = {"Accept": "text/html,*/*"}
SCRIPT = b"console.log(1);" * 40


def write(folder, name, content):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(content)


@contextlib.contextmanager
def page_folder():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        write(folder, "index.html", b"<!doctype html><title>first</title>")
        write(folder, "assets/main-ABCD1234.js", SCRIPT)
        write(folder, "assets/main-ABCD1234.js.gz", gzip.compress(SCRIPT))
        write(folder, "assets/main-ABCD1234.js.br", b"pretended brotli")
        write(folder, "assets/icon-ABCD1234.svg", b"<svg/>")
        yield folder


@test("the playground is served to browsers, behind a strict policy; only its embedded form may be framed")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        page = request(lb, "GET", "/", headers=HTML)
        equal((page.status, page.body), (200, b"<!doctype html><title>first</title>"))
        equal(page.headers["Content-Type"], "text/html; charset=utf-8")
        policy = page.headers["Content-Security-Policy"]
        equal(["default-src 'none'" in policy, "script-src 'self';" in policy, "frame-ancestors 'none'" in policy], [True] * 3, policy)
        equal("unsafe" in policy, False, policy)
        equal([page.headers[name] for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control")],
              ["nosniff", "no-referrer", "no-cache"])
        embedded = request(lb, "GET", "/embed?readonly", headers=HTML)
        equal((embedded.status, embedded.body), (200, page.body))
        equal(embedded.headers["Content-Security-Policy"], policy.replace("frame-ancestors 'none'", "frame-ancestors *"))


@test("who asks without wanting HTML is told what the service is")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        about = request(lb, "GET", "/", headers={"Accept": "*/*"})
        equal((about.headers["Content-Type"], b"/v1/run" in about.body, about.headers["Vary"]),
              ("text/plain; charset=utf-8", True, "Accept"))


@test("files are sent in the coding that the browser takes, and kept by it for ever")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        def get(accept, name="/assets/main-ABCD1234.js"):
            answer = request(lb, "GET", name, headers={"Accept-Encoding": accept} if accept else {})
            return answer, answer.headers.get("Content-Encoding")
        answer, coding = get("gzip, deflate, br, zstd")
        equal((coding, answer.body), ("br", b"pretended brotli"))
        answer, coding = get("gzip;q=0.5, br;q=0")
        equal((coding, gzip.decompress(answer.body)), ("gzip", SCRIPT))
        equal(answer.headers["Content-Type"], "text/javascript; charset=utf-8")
        equal("immutable" in answer.headers["Cache-Control"], True)
        equal("Accept-Encoding" in answer.headers["Vary"], True)
        for accept in ("", "identity", "brotli, gzipped", "br;q=0.000, gzip; q=0"):
            equal((get(accept)[1], get(accept)[0].body), (None, SCRIPT), accept)
        equal(get("br", "/assets/icon-ABCD1234.svg")[1], None)
        equal(request(lb, "HEAD", "/assets/main-ABCD1234.js").headers["Content-Length"], str(len(SCRIPT)))


@test("what a browser has already is not sent again")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        etag = request(lb, "GET", "/", headers=HTML).headers["ETag"]
        for known in (etag, f'"other", {etag}', "*", f"W/{etag}"):
            answer = request(lb, "GET", "/", headers={**HTML, "If-None-Match": known})
            equal((answer.status, answer.body, answer.headers["ETag"]), (304, b"", etag), known)
        equal(request(lb, "GET", "/", headers={**HTML, "If-None-Match": '"other"'}).status, 200)


@test("nothing but the playground's own files is served, by no spelling of a path and by no other method")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        write(folder, "secret", b"secret")
        for path in ("/assets/", "/assets/../secret", "/assets/%2e%2e/secret", "/assets/main-ABCD1234.js.gz", "/assets//main-ABCD1234.js/",
                     "/assets/" + "a" * 5000, "/assets/a%00b", "/index.html", "/secret", "/embed/", "/assets"):
            refused(request(lb, "GET", path, headers=HTML), 404, "not-found")
        for path in ("/", "/embed", "/assets/main-ABCD1234.js"):
            answer = request(lb, "POST", path, b"x", HTML)
            equal((answer.status, answer.headers["Allow"]), (405, "GET, HEAD"))


@test("a new playground is read on SIGHUP, and a broken one changes nothing")
def _():
    with page_folder() as folder, Balancer("--playground", folder) as lb:
        def title():
            return request(lb, "GET", "/", headers=HTML).body
        write(folder, "index.html", b"second")
        equal(title(), b"<!doctype html><title>first</title>")
        lb.process.send_signal(signal.SIGHUP)
        eventually(lambda: title() == b"second", "the second page")
        write(folder, "index.html", b"third")
        write(folder, "assets/strange name", b"")
        lb.process.send_signal(signal.SIGHUP)
        eventually(lambda: "what was there before stays" in lb.log(), "the complaint")
        equal(title(), b"second")


@test("a playground that is named and not there is an error at the start, one that is not named is not")
def _():
    with tempfile.TemporaryDirectory(prefix="pe-lb-test-") as folder:
        try:
            with Balancer("--playground", folder + "/none"):
                raise AssertionError("it started")
        except AssertionError as error:
            equal("none: make playground makes it" in str(error), True, str(error))
        os.environ["PE_HOME"], home = folder, os.environ.get("PE_HOME")
        try:
            with Balancer() as lb:
                equal(request(lb, "GET", "/", headers=HTML).headers["Content-Type"], "text/plain; charset=utf-8")
                refused(request(lb, "GET", "/embed"), 404, "not-found")
        finally:
            if home is None:
                del os.environ["PE_HOME"]
            else:
                os.environ["PE_HOME"] = home
