# SPDX-License-Identifier: Apache-2.0
"""What a worker that stops keeps for the jobs that it still has. No engine matters here."""
from fixtures import processes
from fixtures.waiting import PATIENCE, Background


def test_a_worker_that_stops_gives_permits_until_its_jobs_have_ended(start_service):
    """Two jobs in a worker that runs one at a time: the second one needs a permit to run, which it gets from
    the template server, also if that has to be started again meanwhile."""
    service = start_service("--ahead", "1", slots=1)
    service.wait_until(lambda health: health["ready"] == 2, "both slots ask for jobs")
    jobs = [Background(service.run, f"sleep 3; echo {number}") for number in range(2)]
    service.wait_until(lambda health: health["running"] == 2, "both jobs are with the worker")
    service.worker.process.terminate()
    service.worker.wait_for_log("stopping after the running jobs")
    processes.kill_hard(*service.worker.named("pe-templates"))
    assert sorted(job.done().stdout for job in jobs) == [b"0\n", b"1\n"]
    assert service.worker.process.wait(PATIENCE) == 0
