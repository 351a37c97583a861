# SPDX-License-Identifier: Apache-2.0
"""What a job, as root in its container, can reach of the kernel that it shares with pe-init, with the
warm-up of its image, and, through a template, with the start of other jobs."""
import pytest

pytestmark = pytest.mark.each_engine

# Files that their owner may write, without those of processes. Opening one for appending does not change it.
# Everything in /sys belongs to one read-only mount, or to read-only mounts in it.
WRITABLE = """
find /proc -type d -name '[0-9]*' -path '/proc/[0-9]*' -prune -o -type f -perm /222 -print 2>/dev/null |
while read -r file; do true 2>/dev/null >>"$file" && echo "$file"; done
while read -r _ _ _ _ place options _; do
    case $place:$options in /sys*:ro,*) ;; /sys*) echo "$place" ;; esac
done </proc/self/mountinfo; echo end"""


def test_no_file_of_the_kernel_can_be_opened_for_writing(service):
    job = service.run(WRITABLE, timeout_ms=60000)
    assert job.stdout == b"end\n", (job.fields, job.stdout)


def test_the_boot_id_cannot_be_changed_or_used_to_fill_memory_of_the_guest(service):
    script = "cd /proc/sys/kernel/random; cat boot_id; echo 1 >boot_id; dd if=/dev/zero of=boot_id bs=1M count=4; cat boot_id"
    job = service.run(script)
    before, after = job.stdout.splitlines()
    assert before == after, job.stdout
    assert job.stderr.count(b"Read-only file system") == 2, job.stderr


def test_what_a_job_prints_to_the_kernel_log_or_reads_from_it_is_nothing(service):
    script = "dmesg; cat /proc/kmsg; echo x >/dev/kmsg; cat /proc/dynamic_debug/control; true"
    job = service.run(script)
    assert job.stdout == b"", job.stdout
