# SPDX-License-Identifier: Apache-2.0
"""The real balancer and worker with cloud-hypervisor. The worker asks for KVM; when the stand-in
takes the place of cloud-hypervisor, pretend-kvm makes the worker see a host with KVM."""
import os

import pytest

from fixtures.paths import TOP
from fixtures.service import Service
from fixtures.waiting import PATIENCE, eventually

ENGINE = "cloud-hypervisor+kvm+snapshot"


@pytest.fixture(scope="module")
def cloud_hypervisor_service(vmm):
    wrapper = []
    if vmm.program == vmm.standin:
        sudo = [] if os.geteuid() == 0 else ["sudo", "-n", "-E"]
        wrapper = [*sudo, os.path.join(TOP, "tests/vmm/pretend-kvm")]
    options = ["--vmm", ENGINE, "--cloud-hypervisor", vmm.program]
    for path in vmm.standin_paths():
        options += ["--vmm-path", path]
    service = Service(*options, slots=1, wrapper=wrapper)
    yield service
    service.end()


def run_in_clone(service):
    """Jobs until one ran in a clone: the first ones may run before the template is ready."""

    def attempt():
        script = "cat input; cat /proc/sys/kernel/random/boot_id; echo result > /output/output"
        job = service.run(script, files=[("input", b"in\n")], outputs=["output"])
        return job.phases_us["restore"] > 0 and job

    return eventually(attempt, "a job runs in a clone", 10 * PATIENCE)


def test_a_worker_finds_that_cloud_hypervisor_works_and_logs_it(cloud_hypervisor_service):
    assert ENGINE in cloud_hypervisor_service.worker.log()


def test_the_log_says_whether_the_filter_is_that_of_the_vmm(cloud_hypervisor_service, vmm):
    is_script = "is a script, so the filter allows what ordinary programs use"
    said = is_script in cloud_hypervisor_service.worker.log()
    assert said == (vmm.program == vmm.standin)


def test_a_job_in_a_clone_reads_its_files_and_returns_its_output(cloud_hypervisor_service):
    job = run_in_clone(cloud_hypervisor_service)
    assert job.exit_code == 0
    assert job.stdout.startswith(b"in\n")
    assert job.files == {"output": b"result\n"}


def test_two_jobs_in_two_clones_see_two_boot_ids(cloud_hypervisor_service):
    first, second = (run_in_clone(cloud_hypervisor_service) for _ in range(2))
    assert first.stdout != second.stdout


def test_a_worker_that_ends_leaves_nothing_of_its_vms(cloud_hypervisor_service):
    worker = cloud_hypervisor_service.worker
    eventually(worker.vmms, "the next VM is started")
    assert os.listdir(worker.run_dir)
    worker.end()
    assert not os.listdir(worker.run_dir)
