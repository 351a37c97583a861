"""Stages in the guest (proto/stages.h) against programs that do not want to be watched."""
import service as s
from run import test


def plan(*stages):
    """Words for stages of (script, limits)."""
    words = ["/dev/pe-shim", "stages", ""]
    for i, (script, limits) in enumerate(stages):
        numbers = [limits.get(name, 0) for name in ("wall", "cpu", "memory", "output")]
        command = script if isinstance(script, list) else ["sh", "-c", script]
        words += [f"stage{i}", *map(str, numbers), str(len(command)), *command]
    return words


def read(report):
    """[(name, stdout, stderr, end)], of which end is None when the report broke off."""
    stages, at = [], 0
    while at + 4 <= len(report):
        kind, size = report[at:at + 1], int.from_bytes(report[at + 1:at + 4], "big")
        text = report[at + 4:at + 4 + size]
        at += 4 + size
        if kind == b"B":
            stages.append([text.decode(), b"", b"", None])
        elif kind == b"E":
            stages[-1][3] = dict(line.split("=") for line in text.decode().splitlines())
        else:
            stages[-1][1 if kind == b"o" else 2] += text
    s.check_equal(at, len(report), "frames of a report")
    return stages


def run(service, *stages, **fields):
    outcome = service.run(plan(*stages), **fields)
    s.check_equal((outcome.status, outcome.exit_code, outcome.stdout_truncated), ("exited", 0, False), outcome.stderr)
    return read(outcome.stdout)


@test("a stage that fails is the last")
def _(service):
    stages = run(service, ("echo 1", {}), ("echo 2; exit 5", {}), ("echo 3", {}))
    s.check_equal([(name, out, end["end"], end["code"]) for name, out, _, end in stages],
                  [("stage0", b"1\n", "exited", "0"), ("stage1", b"2\n", "exited", "5")])


@test("nothing that a stage started lives on in the next, and its files do")
def _(service):
    first = "(trap '' TERM HUP; setsid sleep 1000 & echo $! >pid; sleep 1000) & sleep 0.3; echo kept >file"
    stages = run(service, (first, {}), ("cat file; ps | grep -c '[s]leep 1000'; kill -0 $(cat pid) || echo gone", {}))
    s.check_equal(stages[1][1], b"kept\n0\ngone\n", stages)


@test("orphans are reaped while a stage runs")
def _(service):
    # More of them than there may be processes.
    loop = "i=0; while [ $i -lt 700 ]; do (true &) ; i=$((i+1)); done; echo all"
    s.check_equal(run(service, (loop, {}), timeout_ms=60000)[0][1], b"all\n")


@test("a stage can neither write into the report nor read what watches it")
def _(service):
    attack = "for fd in /proc/$PPID/fd/1 /proc/1/fd/3 /proc/$PPID/mem; do echo forged >$fd && echo got $fd; done; ls /proc/self/fd"
    stages = run(service, (attack + "; echo end", {}))
    s.check_equal(stages[0][1].split(), [b"0", b"1", b"2", b"3", b"end"], stages)  # 3 is ls looking


@test("a report stays whole whatever a stage prints")
def _(service):
    stages = run(service, ("head -c 3000000 /dev/zero", {}))
    s.check_equal(stages[0][3]["end"], "stdout", stages[0][3])
    s.check(900_000 < len(stages[0][1]) < 1 << 20, len(stages[0][1]))
    stages = run(service, *[("head -c 300000 /dev/zero", {})] * 4)
    s.check_equal([stage[3]["end"] for stage in stages], ["exited"] * 3 + ["stdout"], stages)
    stages = run(service, ("printf 12345678; printf 123 >&2; sleep 100", {"output": 7}))
    s.check_equal((stages[0][1], stages[0][3]["end"]), (b"1234567", "stdout"), stages)


@test("a limit of memory ends with its stage")
def _(service):
    eat = ["sh", "-c", "x=$(head -c $1 /dev/zero | tr '\\0' x); echo ${#x}", "sh", "60000000"]
    stages = run(service, ("true", {"memory": 20_000_000}), (eat, {}), (eat, {"memory": 20_000_000}), timeout_ms=60000)
    s.check_equal(stages[1][1], b"60000000\n", stages[1])
    s.check(stages[2][1] != b"60000000\n" and (stages[2][3]["end"], stages[2][3]["code"]) != ("exited", "0"), stages[2])


@test("a program that is not there is told as by a shell")
def _(service):
    stages = run(service, (["./nothing"], {}))
    s.check_equal((stages[0][3]["code"], b"nothing" in stages[0][2]), ("127", True), stages)


@test("every stage reads standard input from its start")
def _(service):
    words = plan(("cat", {}), ("cat", {}))
    words[2] = "in"
    outcome = service.run(words, files=[("in", "text"), ("other", "")], stdin="in")
    s.check_equal([stage[1] for stage in read(outcome.stdout)], [b"text", b"text"])


@test("words that are no plan are refused")
def _(service):
    good = plan(("true", {}))
    for words in good[:2], good[:3], good[:-1], good + ["more"], good * 2, good[:4] + ["x"] + good[5:], good[:4] + ["60001"] + good[5:], \
            good[:8] + ["0"] + good[9:], good[:2] + ["missing"] + good[3:], good[:3] + good[3:] * 5:
        outcome = service.run(words)
        s.check_equal((outcome.status, outcome.exit_code, outcome.stdout), ("exited", 126, b""), words)
        s.check(b"pe-shim" in outcome.stderr, outcome.stderr)
