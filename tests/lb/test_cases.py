# SPDX-License-Identifier: Apache-2.0
"""Jobs with stages and cases at the balancer: what a worker gets, what is made of its report, and what is
refused."""
import hashlib
import json

import pytest

from fixtures.events import LINES, SSE, EventStream, kinds
from fixtures.http_client import assert_refused, job_body
from fixtures.stages import case, check, frame, stage
from fixtures.stand_in_worker import PING, PONG, Slot
from fixtures.waiting import Background

COMPILE = {"name": "compile", "cmd": ["cc", "a.c"]}
RUN = {"name": "run", "cmd": ["./a.out"]}
ECHO = {"image": "gcc:14", "stages": [COMPILE, RUN]}


def cases(*expected, **members):
    """A job whose case number i has the input "i" and this expected output."""
    return {
        **ECHO,
        "cases": [{"stdin": f"{i}", "expect": text} for i, text in enumerate(expected)],
        **members,
    }


def post(balancer, job, files=(), accept="application/json", **headers):
    return balancer.post(job=job, files=files, accept=accept, headers=headers)


def verdicts(result):
    return [one["verdict"] for one in result["cases"]]


def judge(balancer, slot, job, report, **answer):
    """Run a job on the slot, which answers with this report. Returns the result."""
    pending = Background(post, balancer, job)
    message, _ = slot.take_job()
    slot.answer(message, report, **answer)
    response = pending.done()
    assert response.status == 200, response.body
    return response.json()


# ---- the way of a job ----


def test_a_large_output_that_all_cases_expect_is_looked_at_once(balancer):
    stages = [COMPILE, {**RUN, "expect": {"file": "large"}}]
    job = {**ECHO, "stages": stages, "cases": [{}] * 1000, "timeout_ms": 20000}
    answer = post(balancer, job, [("large", b"x" * (8 << 20))])
    assert_refused(answer, 503, "no-worker")
    assert balancer.health()["status"] == "ok"


def test_a_job_with_cases_is_one_job_with_a_plan_and_its_report_is_returned_by_case(balancer):
    _, slot = balancer.worker()
    job = cases("a\n", "b\n", "c\n", timeout_ms=20000)
    pending = Background(post, balancer, job, [("a.c", b"int x;")])
    message, files = slot.take_job()
    spec = message["job"]
    assert spec["cmd"] == ["/dev/pe-shim", "plan"] and spec["stdin"] == ".pe-plan"
    assert spec["timeout_ms"] == 20000 and spec["stdout_max"] <= 16 << 20
    assert not {"stages", "cases", "on_failure", "slots"} & set(spec)
    assert [name for name, _ in files] == ["a.c", ".pe-plan"]
    assert files[1][1].startswith(b"pe-plan 1\0")
    report = stage("compile", b"warning") + case(0, b"a") + case(1, b"x") + case(2, code=3)
    slot.answer(message, report, files=[("left", b"over")])
    result = pending.done().json()
    assert [one["name"] for one in result["stages"]] == ["compile"]
    assert result["stages"][0]["stdout"] == "warning" and result["stages"][0]["status"] == "ok"
    assert "verdict" not in result["stages"][0]
    assert verdicts(result) == ["right", "wrong", "failed"]
    assert [one["status"] for one in result["cases"]] == ["ok", "ok", "failed"]
    assert result["cases"][2]["exit_code"] == 3 and result["cases"][1]["stdout"] == "x"
    assert result["summary"] == {"verdict": "wrong", "cases": 3, "right": 1, "failed": 1, "wrong": 1}
    assert (result["stdout"], result["stderr"]) == ("", "")
    assert [file["text"] for file in result["files"]] == ["over"]
    assert result["status"] == "exited"


def test_every_end_of_a_program_has_a_status_of_its_own(balancer):
    _, slot = balancer.worker()
    ends = {
        "timeout": case(0, end="wall"),
        "cpu_limit": case(1, end="cpu"),
        "output_limit": case(2, b"x", end="stdout"),
        "signaled": case(3, end="signaled", code=0, signal=11),
        "oom": case(4, end="signaled", signal=9, oom_kills=1),
        "cannot_start": case(5, end="failed"),
        "skipped": case(6, end="skipped"),
        "right": case(7, b"same  \n\n", wall_us=2500, user_us=1000, system_us=500, max_rss_kib=7),
    }
    report = stage("compile") + b"".join(ends.values())
    result = judge(balancer, slot, cases(*["same"] * len(ends)), report)
    assert verdicts(result) == list(ends)
    assert [result["cases"][3][name] for name in ("signal", "exit_code")] == [11, None]
    last = result["cases"][7]
    assert (last["wall_ms"], last["cpu_ms"], last["peak_memory_kib"]) == (2.5, 1.5, 7)
    assert set(result["cases"][6]) == {"name", "status", "verdict"}


@pytest.mark.parametrize(
    "expect, output, verdict",
    [
        ("a b\nc\n", b"a b  \nc\t\n\n\n", "right"),
        ("a b\nc\n", b"a  b\nc\n", "wrong"),
        ("a b\nc\n", b"\na b\nc\n", "wrong"),
        ({"text": "a\n", "compare": "exact"}, b"a\n", "right"),
        ({"text": "a\n", "compare": "exact"}, b"a", "wrong"),
        ({"base64": "/w=="}, b"\xff", "right"),
        ({"file": "answer"}, b"from a file\n", "right"),
        ({"text": "a", "exit_code": 1}, b"a", "failed"),
        ({}, b"anything", "right"),
    ],
)
def test_output_is_compared_as_the_case_says(balancer, expect, output, verdict):
    _, slot = balancer.worker()
    job = {**ECHO, "cases": [{"expect": expect}]}
    pending = Background(post, balancer, job, [("answer", b"from a file"), ("a.c", b"")])
    message, files = slot.take_job()
    assert [name for name, _ in files] == (["a.c", ".pe-plan"] if "file" in expect else ["answer", "a.c", ".pe-plan"])
    assert b"from a file" not in files[-1][1], "the guest does not get the answer"
    slot.answer(message, stage("compile") + case(0, output))
    assert verdicts(pending.done().json()) == [verdict]


def test_a_checker_decides_and_its_output_is_part_of_the_case(balancer):
    _, slot = balancer.worker()
    expect = {"checker": ["./check"], "text": "the answer"}
    job = {**ECHO, "cases": [{"expect": expect} for _ in range(4)]}
    pending = Background(post, balancer, job)
    message, files = slot.take_job()
    assert b"the answer" in files[-1][1]
    report = case(0) + check(b"fine") + case(1) + check(b"bad", code=1)
    report += case(2) + check(end="signaled", signal=11) + case(3, code=2)
    slot.answer(message, stage("compile") + report)
    result = pending.done().json()
    assert verdicts(result) == ["right", "wrong", "checker_failed", "failed"]
    assert [one.get("checker", {}).get("stdout") for one in result["cases"]] == ["fine", "bad", "", None]
    assert result["cases"][2]["checker"]["status"] == "signaled"


def test_a_checker_that_could_not_run_decides_nothing(balancer):
    _, slot = balancer.worker()
    codes = (125, 126, 127, 137)
    job = {**ECHO, "cases": [{"expect": {"checker": ["./check"]}} for _ in codes]}
    pending = Background(post, balancer, job)
    message, _ = slot.take_job()
    report = b"".join(case(i) + check(code=code) for i, code in enumerate(codes))
    slot.answer(message, stage("compile") + report)
    assert verdicts(pending.done().json()) == ["wrong"] + 3 * ["checker_failed"]


def test_output_that_did_not_fit_is_marked_and_judged_by_its_hash(balancer):
    _, slot = balancer.worker()
    hashes = [hashlib.sha256(text).hexdigest() for text in (b"long", b"other")]
    report = b"".join(case(i, b"l", stdout_cut=3, sha256=hashes[i]) for i in range(2))
    result = judge(balancer, slot, cases("long", "long"), stage("compile") + report)
    assert verdicts(result) == ["right", "wrong"]
    assert result["cases"][0]["stdout_cut"] == 3


def test_when_a_stage_fails_the_cases_are_skipped(balancer):
    _, slot = balancer.worker()
    result = judge(balancer, slot, cases("a", "b"), stage("compile", code=1))
    assert verdicts(result) == ["skipped", "skipped"]
    assert result["summary"] == {
        "verdict": "failed", "stage": "compile", "cases": 2, "right": 0, "skipped": 2
    }  # fmt: skip


def test_after_the_first_failure_the_others_are_skipped_if_the_job_says_so(balancer):
    _, slot = balancer.worker()
    report = stage("compile") + case(0, b"a") + case(1, b"x") + case(2, b"c")
    result = judge(balancer, slot, cases("a", "b", "c", on_failure="stop"), report)
    assert verdicts(result) == ["right", "wrong", "skipped"]
    result = judge(balancer, slot, cases("a", "b", "c", on_failure="continue"), report)
    assert verdicts(result) == ["right", "wrong", "right"]


def test_the_case_that_ran_when_the_time_of_the_job_was_over_has_a_timeout(balancer):
    _, slot = balancer.worker()
    report = stage("compile") + case(0, b"a") + frame(b"C", b"1") + frame(b"o", b"b")
    changes = {"status": "timeout", "exit_code": None}
    result = judge(balancer, slot, cases("a", "b", "c"), report, **changes)
    assert verdicts(result) == ["right", "timeout", "skipped"]
    assert result["status"] == "timeout" and result["cases"][1]["stdout"] == "b"


def test_stages_without_cases_run_once_each_and_the_last_one_can_be_judged(balancer):
    _, slot = balancer.worker()
    job = {**ECHO, "stages": [COMPILE, {**RUN, "expect": "42"}]}
    result = judge(balancer, slot, job, stage("compile") + stage("run", b"42\n"))
    assert [one["name"] for one in result["stages"]] == ["compile", "run"]
    assert result["stages"][1]["verdict"] == "right" and result["cases"] == []
    assert result["summary"] == {"verdict": "right", "cases": 0, "right": 0}


def test_output_that_is_not_text_is_base64(balancer):
    _, slot = balancer.worker()
    result = judge(balancer, slot, cases("a"), stage("compile", b"\xff\0") + case(0, b"a"))
    assert result["stages"][0]["stdout"] == {"base64": "/wA="}


@pytest.mark.parametrize(
    "report",
    [
        b"garbage",
        b"",
        case(7),
        case(0) + case(0) + stage("nobody"),
        stage("compile") + check() + check() + case(999),
        frame(b"E", b"end=exited\n"),
        frame(b"C", b"-1"),
        frame(b"C", b"0") + frame(b"E", b"end=flying\n"),
    ],
)
def test_a_guest_that_lies_in_its_report_spoils_only_its_own_result(balancer, report):
    _, slot = balancer.worker()
    result = judge(balancer, slot, cases("a", "b"), report)
    assert len(result["cases"]) == 2 and result["summary"]["right"] == 0
    assert set(verdicts(result)) <= {"skipped", "wrong", "interrupted"}


# ---- other forms ----


def test_every_form_of_a_result_has_the_stages_and_cases(balancer):
    _, slot = balancer.worker()
    report = stage("compile") + case(0, b"a")
    pending = Background(post, balancer, {**cases("a"), "cache": False}, accept="multipart/form-data")
    slot.answer(slot.take_job()[0], report)
    parts = pending.done().form()
    assert [name for name, _, _ in parts] == ["result", "stdout", "stderr"]
    assert verdicts(json.loads(parts[0][2])) == ["right"]
    pending = Background(post, balancer, {**cases("a"), "cache": False}, accept="application/x-cpio")
    slot.answer(slot.take_job()[0], report)
    assert b'"verdict":"right"' in pending.done().body


@pytest.mark.parametrize("accept", [SSE, LINES])
def test_each_case_is_an_event_as_soon_as_it_has_ended(balancer, accept):
    _, slot = balancer.worker(live=1)
    stream = EventStream(balancer, job=cases("a", "b"), accept=accept)
    job, _ = slot.take_job()
    assert slot.receive() == {"type": "watch", "id": job["id"]}
    assert kinds([stream.next(), stream.next()]) == ["queued", "started"]
    first = stage("compile") + case(0, b"a")
    second = case(1, b"x")
    slot.output(job, ("stdout", first + second[:3]))
    event = stream.next("stage")
    assert (event["index"], event["name"], event["status"]) == (0, "compile", "ok")
    slot.output(job, ("stdout", second[3:]))
    event = stream.next("case")
    assert (event["index"], event["verdict"], event["stdout"]) == (0, "right", "a")
    slot.answer(job, first + second)
    rest = stream.rest()
    assert kinds(rest) == ["case", "result"]
    assert rest[0]["verdict"] == "wrong"
    assert rest[1]["summary"]["wrong"] == 1 and "cases" not in rest[1]


def test_events_of_a_job_that_exceeds_its_time_limit_say_what_the_result_says(balancer):
    _, slot = balancer.worker(live=1)
    stream = EventStream(balancer, job=cases("a", "b", "c", timeout_ms=1000), accept=LINES)
    job, _ = slot.take_job()
    report = stage("compile") + case(0, b"a") + frame(b"C", b"1")
    slot.answer(job, report, status="timeout", exit_code=None)
    events = [event for event in stream.rest() if event["type"] == "case"]
    assert [(event["index"], event["verdict"]) for event in events] == [
        (0, "right"),
        (1, "timeout"),
        (2, "skipped"),
    ]


# ---- keys, slots, and losing them ----


def test_a_job_with_cases_is_answered_from_the_cache_and_judged_anew(balancer):
    _, slot = balancer.worker()
    report = stage("compile") + case(0, b"a")
    assert verdicts(judge(balancer, slot, cases("a"), report)) == ["right"]
    response = post(balancer, cases("a"))
    assert response.json()["cached"] and verdicts(response.json()) == ["right"]
    assert "hit" in response.headers["Cache-Status"]
    assert verdicts(judge(balancer, slot, cases("b"), report)) == ["wrong"]
    uncached = {**cases("a"), "cache": False}
    assert not judge(balancer, slot, uncached, report)["cached"]


def test_cases_are_spread_over_slots_and_come_back_in_order(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, cases("0", "1", "2", slots=2))
    jobs = [slot.take_job() for slot in (first, second)]
    for slot, (job, files) in zip((first, second), jobs):
        numbers = numbers_of(files)
        slot.answer(job, stage("compile") + b"".join(case(n, str(n).encode()) for n in numbers))
    result = pending.done().json()
    assert verdicts(result) == ["right"] * 3
    assert [one["stdout"] for one in result["cases"]] == ["0", "1", "2"]


def numbers_of(files):
    """The numbers of the cases in a plan, by their inputs, which end it."""
    inputs = files[-1][1].rsplit(b"\0", 1)[1].decode()
    return [int(digit) for digit in inputs]


def test_a_part_whose_slot_is_lost_runs_again_and_the_others_do_not(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, cases("0", "1", slots=2, cache=False))
    jobs = [slot.take_job() for slot in (first, second)]
    second.close()
    again = Slot(balancer.address)
    job, files = again.take_job()
    assert files == jobs[1][1]
    for slot, one in ((first, jobs[0][0]), (again, job)):
        number = numbers_of(files)[0] if slot is again else numbers_of(jobs[0][1])[0]
        slot.answer(one, stage("compile") + case(number, str(number).encode()))
    assert verdicts(pending.done().json()) == ["right", "right"]


def test_a_failure_cancels_the_parts_behind_it_if_the_job_stops_there(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, cases("0", "1", slots=2, on_failure="stop", cache=False))
    jobs = {numbers_of(files)[0]: (slot, job) for slot in (first, second) for job, files in [slot.take_job()]}
    slot, job = jobs[0]
    slot.answer(job, stage("compile") + case(0, b"x"))
    result = pending.done().json()
    assert verdicts(result) == ["wrong", "skipped"]
    slot, job = jobs[1]
    assert slot.receive() == {"type": "cancel", "id": job["id"]}


def test_what_a_canceled_part_has_announced_and_not_sent_is_not_in_the_result(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, cases("0", "1", slots=2, on_failure="stop", cache=False))
    jobs = {numbers_of(files)[0]: (slot, job) for slot in (first, second) for job, files in [slot.take_job()]}
    slot, job = jobs[1]
    slot.result(job, files=[("left", b"x" * 100000)], status="timeout", exit_code=None)
    slot.send(PING)
    assert slot.receive_frame()[0] == PONG  # the balancer has read the message
    slot, job = jobs[0]
    slot.answer(job, stage("compile") + case(0, b"x"))
    result = pending.done().json()
    assert verdicts(result) == ["wrong", "skipped"]
    assert (result["status"], result["files"]) == ("exited", [])


def test_a_stage_that_did_not_end_has_the_status_of_the_part_that_it_ran_in(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    pending = Background(post, balancer, cases("0", "1", slots=2, cache=False))
    jobs = {numbers_of(files)[0]: (slot, job) for slot in (first, second) for job, files in [slot.take_job()]}
    slot, job = jobs[0]
    slot.answer(job, stage("compile") + case(0, b"0"))
    slot, job = jobs[1]
    slot.answer(job, frame(b"B", b"compile"), status="timeout", exit_code=None)
    result = pending.done().json()
    assert result["stages"][0]["status"] == "timeout"
    assert (result["summary"]["stage"], result["summary"]["verdict"]) == ("compile", "timeout")


def test_a_client_that_goes_away_cancels_all_parts(balancer):
    _, first = balancer.worker()
    second = Slot(balancer.address)
    sock = balancer.send_job(body=job_body(cases("0", "1", slots=2, cache=False)))
    jobs = [slot.take_job()[0] for slot in (first, second)]
    sock.close()
    for slot, job in zip((first, second), jobs):
        assert slot.receive() == {"type": "cancel", "id": job["id"]}


def test_the_operator_limits_slots_and_time(start_balancer):
    balancer = start_balancer("--cases-slots=1", "--cases-ms=30000")
    _, slot = balancer.worker()
    result = judge(balancer, slot, cases("a", "b", slots=9, timeout_ms=30000), stage("compile"))
    assert verdicts(result) == ["skipped", "skipped"]
    assert_refused(post(balancer, cases("a", timeout_ms=30001)), 422, "invalid-job", "from 1 to 30000")
    response = post(balancer, cases("a", "b", "c"))
    assert_refused(response, 422, "invalid-job", "45400 ms together", "at most 30000 ms")


# ---- what is refused ----


def test_bad_stages_and_cases_are_refused_in_both_forms(balancer):
    balancer.worker()
    for job, part in [
        ({**ECHO, "cases": [{"stdin": 7}]}, "cases[0]: field 'stdin' must be a string"),
        ({**ECHO, "stages": [{**RUN, "needs": "x"}]}, "stages[0]: field 'needs' names 'x'"),
        ({**ECHO, "cmd": ["a"]}, "field 'cmd' is not for a job with stages"),
        ({**ECHO, "cases": [{"stdin": {"file": "x"}}]}, "not among the files"),
        ({**ECHO, "colour": 1}, "unknown field 'colour'"),
        ({"image": "gcc:14", "cases": [{}]}, "field 'stages' is missing"),
    ]:
        assert_refused(post(balancer, job), 422, "invalid-job", part)
        response = balancer.post(json.dumps(job).encode(), content_type="application/json")
        assert_refused(response, 422, "invalid-job", part)
    many = {**ECHO, "cases": [{}] * 1001}
    assert_refused(post(balancer, many), 413, "too-large", "more than 1000 cases")
    checkers = [{"expect": {"checker": [f"./{i}"]}} for i in range(9)]
    job = {**ECHO, "timeout_ms": 1000, "cases": checkers}
    assert_refused(post(balancer, job), 422, "invalid-job", "more than 8 different checkers")


def test_a_file_with_the_name_of_the_plan_is_refused(balancer):
    balancer.worker()
    for name in (".pe-plan", ".pe-plan/a"):
        response = balancer.post(files=[(name, b"")])
        assert_refused(response, 422, "invalid-job", ".pe-plan")


def test_a_thousand_cases_with_inputs_larger_than_a_job_may_be_are_taken(balancer):
    _, slot = balancer.worker()
    job = {**ECHO, "timeout_ms": 1000}
    job["cases"] = [{"stdin": "x" * 1000, "expect": "y" * 1000} for _ in range(1000)]
    report = stage("compile") + b"".join(case(i, b"y" * 1000) for i in range(1000))
    assert verdicts(judge(balancer, slot, job, report)) == ["right"] * 1000
