# SPDX-License-Identifier: Apache-2.0
"""Facts about the machine that a result depends on."""
import glob
import os
import platform
import re
import subprocess

from fixtures.paths import TOP, UML_KERNEL

COMMAND_S = 10


def read_text(path):
    """The text of a small file without white space around it; None if it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return None


def output_of(*argv):
    """What a program prints, also if its exit status is not 0; None if there is no such program, or
    it hangs."""
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=COMMAND_S,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip()


def load():
    return list(os.getloadavg())


def cpu_model(cpuinfo):
    """The model in the text of /proc/cpuinfo. ARM kernels have none there."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    return found[1].strip() if found else platform.machine()


def hardware_virtualization(cpuinfo):
    found = re.search(r"^flags\s*:.*\b(vmx|svm)\b", cpuinfo, re.M)
    return found[1] if found else "none"


def mitigations():
    files = sorted(glob.glob("/sys/devices/system/cpu/vulnerabilities/*"))
    return {os.path.basename(path): read_text(path) or "" for path in files}


def memory_mib():
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20


def vmm_versions():
    """The versions of the VMMs that are installed."""
    texts = {
        "qemu": output_of("qemu-system-" + platform.machine(), "--version"),
        "cloud-hypervisor": output_of("cloud-hypervisor", "--version"),
        "uml": output_of(UML_KERNEL, "--version"),
    }
    found = {name: re.search(r"\d+\.\d+[\w.+-]*", text or "") for name, text in texts.items()}
    return {name: match[0] for name, match in found.items() if match}


def facts():
    """The member `machine` of a result file."""
    cpuinfo = read_text("/proc/cpuinfo") or ""
    return {
        "cpu": cpu_model(cpuinfo),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "mitigations": mitigations(),
        "governor": read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_mib": memory_mib(),
        "virtualization": {
            "host": output_of("systemd-detect-virt") or "unknown",
            "offers": hardware_virtualization(cpuinfo),
        },
        "vmm": vmm_versions(),
        "load": load(),
    }


def program_version():
    """What `git describe` says; None outside of a repository."""
    return output_of("git", "-C", TOP, "describe", "--always", "--dirty") or None
