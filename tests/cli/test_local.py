"""Without a server: stand-ins for pe-lb and pe-worker, started and ended by pe-run."""
import glob
import os
import shutil
import signal
import subprocess
import time

from support import PE_RUN, answer, contains, environment, equal, problem, run, write


FAKE_BALANCER = '''#!/usr/bin/env python3
import ctypes, http.server, json, os, signal, socketserver, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
home = os.path.dirname(os.path.abspath(__file__))
print("balancer speaks", file=sys.stderr, flush=True)
if os.path.exists(home + "/worker-here"):
    os.unlink(home + "/worker-here")
if os.path.exists(home + "/lb-fails"):
    sys.exit(3)
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        hosts = int(os.path.exists(home + "/worker-here"))
        self.answer(200 if hosts else 503, "application/json", json.dumps({"hosts": hosts}).encode())
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(*eval(open(home + "/reply").read()))
    def address_string(self):
        return "unix"
    def log_message(self, *args):
        pass
class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
server = Server(options["--listen"][5:], Handler)
os.write(int(options["--ready-fd"]), b"\\n")
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
server.serve_forever()
'''

FAKE_WORKER = '''#!/usr/bin/env python3
import ctypes, os, signal, sys, time
ctypes.CDLL(None).prctl(1, signal.SIGKILL)
home = os.path.dirname(os.path.abspath(__file__))
print("worker speaks", *sys.argv[1:], file=sys.stderr, flush=True)
if os.path.exists(home + "/worker-fails"):
    sys.exit("no image store")
if os.path.exists(home + "/worker-slow"):
    time.sleep(1)
open(home + "/worker-here", "w").close()
if os.path.exists(home + "/worker-stays"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(100)
'''


def make_home(work, reply):
    """A directory with pe-run and stand-ins for the other two programs."""
    shutil.copy(PE_RUN, f"{work}/pe-run")
    for name, text in (("pe-lb", FAKE_BALANCER), ("pe-worker", FAKE_WORKER)):
        write(f"{work}/{name}", text.encode())
        os.chmod(f"{work}/{name}", 0o755)
    write(f"{work}/reply", repr((reply[0], reply[1]["Content-Type"], reply[2])).encode())
    os.makedirs(f"{work}/runtime")
    return {"program": f"{work}/pe-run", "XDG_RUNTIME_DIR": f"{work}/runtime"}


def left_behind(work):
    processes = subprocess.run(["pgrep", "-f", f"{work}/pe-"], capture_output=True, text=True).stdout.split()
    return os.listdir(f"{work}/runtime") + processes


def test_without_a_server_it_starts_its_own(work):
    home = make_home(work, answer(stdout=b"hi", exit_code=7))
    done = run("busybox:1.35", **home)
    equal((done.stdout, done.returncode), (b"hi", 7), "result")
    equal(done.stderr, b"pe-run: no server given; starting a balancer and a worker for this run\n", "stderr")
    equal(left_behind(work), [], "left behind")
    verbose = run("-v", "busybox", **home)
    contains(verbose.stderr, b"worker speaks --server unix:")
    contains(verbose.stderr, b"--slots 1 --warm busybox:latest --die-with-parent")


def test_programs_that_fail_to_start_are_quoted(work):
    home = make_home(work, answer())
    write(f"{work}/worker-fails")
    done = run("busybox:1.35", **home)
    equal(done.returncode, 125, "exit code")
    contains(done.stderr, b"no image store")
    contains(done.stderr, b"pe-run: pe-worker exited with code 1")
    write(f"{work}/lb-fails")
    done = run("busybox:1.35", **home)
    contains(done.stderr, b"balancer speaks")
    contains(done.stderr, b"pe-run: pe-lb exited with code 3")
    os.unlink(f"{work}/pe-lb")
    contains(run("busybox:1.35", **home).stderr, b"cannot start pe-lb, which is needed to run without a server")
    equal(left_behind(work), [], "left behind")


def test_an_unknown_image_says_how_to_make_one(work):
    home = make_home(work, problem(404, "There is no such thing", "no image", "unknown-image"))
    done = run("busybox:1.35", **home)
    equal(done.returncode, 66, "exit code")
    contains(done.stderr, b"make images")


def test_a_worker_that_will_not_end_is_killed(work):
    home = make_home(work, answer())
    write(f"{work}/worker-stays")
    started = time.monotonic()
    run("busybox:1.35", **home)
    equal(4 < time.monotonic() - started < 12, True, "waits about 5 s")
    equal(left_behind(work), [], "left behind")


def start_held(work):
    """pe-run with a balancer that never answers the job."""
    home = make_home(work, answer())
    write(f"{work}/reply", b"__import__('time').sleep(60)")
    env = environment(XDG_RUNTIME_DIR=home["XDG_RUNTIME_DIR"])
    process = subprocess.Popen([home["program"], "busybox:1.35"], env=env, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not os.path.exists(f"{work}/worker-here") and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.3)
    return process, home


def test_signals_end_what_was_started(work):
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        place = f"{work}/{number}"
        os.makedirs(place)
        process, _ = start_held(place)
        process.send_signal(number)
        process.communicate(timeout=15)
        equal(process.returncode, code, "exit code")
        equal(left_behind(place), [], "left behind")


def test_a_worker_that_dies_ends_the_wait(work):
    process, _ = start_held(work)
    worker = subprocess.run(["pgrep", "-f", f"{work}/pe-worker"], capture_output=True, text=True).stdout.split()
    os.kill(int(worker[0]), signal.SIGKILL)
    _, stderr = process.communicate(timeout=10)
    equal(process.returncode, 125, "exit code")
    contains(stderr, b"pe-worker was killed: Killed")
    equal(left_behind(work), [], "left behind")


def test_what_a_killed_run_leaves_is_swept_by_the_next(work):
    process, home = start_held(work)
    process.kill()
    process.communicate(timeout=10)
    time.sleep(0.3)
    equal(len(left_behind(work)), 1, "a directory, no process")
    write(f"{work}/reply", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    equal(run("busybox:1.35", **home).returncode, 0, "exit code")
    equal(left_behind(work), [], "left behind")


def test_two_runs_at_once_do_not_sweep_each_other(work):
    first, home = start_held(work)
    write(f"{work}/other", repr((200, answer()[1]["Content-Type"], answer()[2])).encode())
    os.rename(f"{work}/other", f"{work}/reply")
    equal(run("busybox:1.35", **home).returncode, 0, "exit code")
    equal(len(glob.glob(f"{work}/runtime/*/lb.sock")), 1, "the first run's socket")
    first.send_signal(signal.SIGTERM)
    first.communicate(timeout=15)
    equal(left_behind(work), [], "left behind")
