# SPDX-License-Identifier: Apache-2.0
"""pe-bench compare: how programs are run and timed, and what the answer says."""
import pytest

from fixtures.bundle import unpack
from pe_bench import host_ways
from pe_bench.commands import compare
from pe_bench.host_ways import Failed, Native, Place, Runtime, run_timed


@pytest.fixture(name="place", scope="module")
def fixture_place(tmp_path_factory):
    """The root of busybox, and a folder at /work with a file."""
    folder = tmp_path_factory.mktemp("place")
    work = folder / "work"
    work.mkdir()
    (work / "file").write_text("content\n")
    root = str(folder / "root")
    unpack("busybox:1.35", root)
    place = Place(root, [(str(work), "/work")])
    host_ways.make_mount_points(place)
    return place


@pytest.fixture(name="ways")
def fixture_ways(tmp_path):
    return [Native(), Runtime("crun", str(tmp_path))]


def test_every_way_runs_the_program_in_the_folder_with_its_files(place, ways):
    for way in ways:
        assert way.missing() is None
        assert way.run(place, ["sh", "-c", "pwd; cat file; ls /tmp"]).stdout == "/work\ncontent\n"


def test_the_time_of_a_program_is_at_least_that_of_its_work(place, ways):
    for way in ways:
        assert way.run(place, ["sleep", "0.2"]).seconds >= 0.2


def test_a_program_that_fails_is_a_failure_of_the_way(place, ways):
    for way in ways:
        with pytest.raises(Failed, match="status 3"):
            way.run(place, ["sh", "-c", "exit 3"])


def test_a_program_that_does_not_end_is_killed_with_all_that_it_started(tmp_path):
    started = tmp_path / "started"
    with pytest.raises(Failed, match="did not end within"):
        run_timed(["sh", "-c", f"echo >{started}; sleep 1000 & sleep 1000"], timeout_s=1)
    assert started.exists()


def test_a_program_that_does_not_end_may_first_remove_what_it_has_made(tmp_path):
    """As pe-vm does with the folder and the cgroup of its VM."""
    made = tmp_path / "made"
    script = f"trap 'rm {made}; exit' TERM; echo >{made}; while :; do sleep 0.1; done"
    with pytest.raises(Failed, match="did not end within"):
        run_timed(["sh", "-c", script], timeout_s=3)
    assert not made.exists()


def test_the_files_of_a_runtime_are_in_its_folder(tmp_path):
    """So that they go with the temporary files of a run that is interrupted."""
    assert f"--root={tmp_path}/state" in Runtime("crun", str(tmp_path)).arguments()


def test_a_runtime_that_is_not_installed_is_named(tmp_path):
    assert Runtime("no-such-runtime", str(tmp_path)).missing() == "no-such-runtime is not installed"


def test_podman_is_na_where_its_folder_has_too_long_a_name():
    longest = host_ways.Podman("/" + "a" * 45)
    assert len(longest.runroot()) == 50 and longest.missing() is None
    assert "TMPDIR has to be shorter by 1 characters" in host_ways.Podman("/" + "a" * 46).missing()


def test_the_answer_compares_pe_run_with_the_program_itself():
    def series(way, *samples):
        return {"labels": {"way": way, "job": "gcc hello"}, "samples": list(samples)}

    both = [series("native", 40, 50, 60), series("pe-run, warm VM", 100, 100)]
    assert compare.answer(both).endswith("for gcc hello: 2.0 times.")
    assert compare.answer(both[:1]) == "There are no times both of pe-run and of the native programs."
