# SPDX-License-Identifier: Apache-2.0
"""What a VMM that was taken over can reach. A program that tries it runs in the VMM's place."""
import pytest

from fixtures.confined import (
    AS_NOBODY,
    AS_NOBODY_IN_DOCKER,
    LANDLOCK,
    LIKE_DOCKER,
    NAMESPACES,
    OLDER_LANDLOCK,
    Reach,
    landlock_version,
    missing_for_nobody,
    missing_of_landlock,
)
from fixtures.vmm import NOBODY

DRIVERS = ("qemu+tcg", "qemu+kvm", "cloud-hypervisor", "uml")
WITH_KVM = ("qemu+kvm", "cloud-hypervisor")
CGROUP = {"memory limit", "process limit", "CPU limit"}
NO_CAPABILITIES = ["0000000000000000"]
VERSION = landlock_version()
NO_LANDLOCK = missing_of_landlock(VERSION)
# None; that of Linux 6.1, which Debian 12 has; that of Linux 6.10.
OLDER = [version for version in (0, 2, 5) if version <= VERSION]

# Without a root directory and a PID namespace of its own, a VMM can find out which files and processes
# exist. To name a process as the receiver of a signal is allowed, but the signal is not sent.
WITHOUT_NAMESPACES = {"see outside", "see process", "signal by descriptor"}
# The same without Landlock for signals, and without Landlock for files.
SIGNALS = {"kill", "tgkill"}
FILES_OF_ITS_USER = {
    "open outside",
    "write outside",
    "create outside",
    "list outside",
    "execute outside",
    "climb",
    "read environment",
}


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_vmm_reaches_only_its_own_files(vmm, driver):
    reach = Reach(vmm, driver)
    assert set(reach.answers["missing"]) - CGROUP == NO_LANDLOCK
    assert_reaches_its_own_files(reach, driver)
    assert_confined_in_itself(reach)
    assert reach.field("CapBnd") == NO_CAPABILITIES
    assert len(reach.field("Groups")) <= 1  # its own, or that of /dev/kvm
    has_cgroup = not CGROUP <= set(reach.answers["missing"])
    assert has_cgroup == ("shared cgroups" not in reach.answers["wait"])


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_vmm_of_a_worker_without_root_reaches_no_file_or_process_of_others(vmm, driver):
    reach = Reach(vmm, driver, AS_NOBODY)
    missing = missing_for_nobody()
    assert set(reach.answers["missing"]) - CGROUP == missing | {"own user"} | NO_LANDLOCK
    if missing:
        assert_reaches_only_names(reach)
    else:  # user namespaces are allowed
        assert_reaches_its_own_files(reach, driver)
    assert_confined_in_itself(reach)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_vmm_of_a_user_in_docker_reaches_no_file_or_process_of_others(vmm, driver):
    reach = Reach(vmm, driver, AS_NOBODY_IN_DOCKER)
    assert set(reach.answers["missing"]) - CGROUP == NAMESPACES | {"own user"} | NO_LANDLOCK
    assert "may not use user namespaces here" in reach.log
    assert_reaches_only_names(reach)
    assert_confined_in_itself(reach)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_vmm_of_a_worker_in_docker_reaches_no_file_or_process_of_others(vmm, driver):
    reach = Reach(vmm, driver, LIKE_DOCKER)
    # User Mode Linux opens nothing by path, so chroot(2) gives it an empty root directory.
    given = {"root directory"} if driver == "uml" else set()
    assert set(reach.answers["missing"]) - CGROUP == NAMESPACES - given | NO_LANDLOCK
    assert_reaches_only_names(reach)
    assert_confined_in_itself(reach)


@pytest.mark.parametrize("version", OLDER)
@pytest.mark.parametrize("driver", DRIVERS)
def test_what_an_older_landlock_does_not_deny_is_denied_by_the_rest_of_the_jail(vmm, driver, version):
    reach = Reach(vmm, driver, (OLDER_LANDLOCK, str(version)))
    assert set(reach.answers["missing"]) - CGROUP == missing_of_landlock(version)
    assert_reaches_its_own_files(reach, driver)
    assert_confined_in_itself(reach)


@pytest.mark.parametrize("version", OLDER[1:])
@pytest.mark.parametrize("wrapper", (LIKE_DOCKER, AS_NOBODY_IN_DOCKER), ids=("root", "user"))
@pytest.mark.parametrize("driver", DRIVERS)
def test_with_an_older_landlock_a_vmm_in_docker_signals_its_users_processes_only(vmm, driver, wrapper, version):
    reach = Reach(vmm, driver, (OLDER_LANDLOCK, str(version), *wrapper))
    assert LANDLOCK[6] in reach.answers["missing"]
    assert_reaches_only_names(reach)
    assert_confined_in_itself(reach)


@pytest.mark.parametrize("driver", DRIVERS)
def test_without_landlock_a_vmm_in_docker_has_files_and_signals_of_its_user_but_no_network(vmm, driver):
    # The check "files" tries all of the host, and would change those that everybody may change.
    reach = Reach(vmm, driver, (OLDER_LANDLOCK, "0", *AS_NOBODY_IN_DOCKER), but="files")
    assert "open outside" in reach.reached()
    assert reach.reached() <= FILES_OF_ITS_USER | SIGNALS | WITHOUT_NAMESPACES
    assert_confined_in_itself(reach)


def test_the_log_says_that_a_system_call_ended_a_vmm(vmm):
    assert "made a system call that VMMs of its kind do not need" in Reach(vmm, "uml").log


def is_firmware(path):
    return path.startswith(("/usr/share/qemu", "/usr/share/seabios", "/usr/lib/ipxe", "/usr/lib/x86_64-linux-gnu"))


def assert_reaches_its_own_files(reach, driver):
    """What namespaces and a root directory of its own leave."""
    assert reach.reached() == set()
    devices = {"/dev/null", "/dev/urandom"} | ({"/dev/kvm"} if driver in WITH_KVM else set())
    assert reach.files("write") <= {"OWN", *devices}
    assert reach.files("create") <= {"OWN"}
    assert reach.files("read") <= {
        "OWN",
        *devices,
        reach.program,
        *(path for path in reach.files("read") if is_firmware(path) and driver.startswith("qemu")),
    }
    assert reach.shared_namespaces() == set()
    assert reach.answers["name"] == ["vmm"]


def assert_reaches_only_names(reach):
    has_signals = LANDLOCK[6] in reach.answers["missing"]
    assert reach.reached() <= WITHOUT_NAMESPACES | (SIGNALS if has_signals else set())
    assert reach.files("read") | reach.files("write") | reach.files("create") <= {"OWN", "/dev/null"}


def assert_confined_in_itself(reach):
    """What does not depend on the host: rights, limits, and what is inherited."""
    assert reach.field("Uid") == reach.field("Gid") == [str(NOBODY)] * 4
    assert reach.field("CapEff") == reach.field("CapPrm") == reach.field("CapInh") == NO_CAPABILITIES
    assert reach.field("NoNewPrivs") == ["1"]
    assert reach.field("Seccomp") == ["2"]
    assert reach.answers["environment"] in ([], ["LC_ALL=C"])
    assert reach.answers["folder"] in (["/"], ["none"])  # the empty root directory has been removed
    assert 0 < int(reach.answers["print"][0]) <= 65536
    # A limit of 1 byte also stops dumps to the program in kernel.core_pattern, which 0 does not.
    assert {"core 1", "msgqueue 0"} <= set(reach.answers["limits"])
    # Of what it inherits, only /dev/null, the guest's kernel and initramfs, and with User Mode Linux
    # /proc/cpuinfo have names on the host.
    named = [line for line in reach.answers["descriptors"] if line.endswith(" named")]
    assert [line for line in named if line.startswith(("file write", "folder", "pipe"))] == []
    assert len([line for line in named if line.startswith("file")]) <= 3
    assert len([line for line in named if line.startswith("device")]) == 1
