# SPDX-License-Identifier: Apache-2.0
"""User Mode Linux uses the host process of an address space that is gone for the next one. Nothing of the
process before may be in it."""
from uml.programs import program


def test_a_process_finds_nothing_of_the_one_before_it(service):
    script = """cp leftovers /tmp/leftovers; chmod +x /tmp/leftovers; cd /tmp; stub=$(./leftovers find)
        [ -n "$stub" ] || echo "the stub was not found"
        for marker in 0x5a 0x77 0xc3 0x96; do ./leftovers search $marker $stub; done; echo searched"""
    job = service.run(script, files=[("leftovers", program("leftovers"))])
    assert (job.status, job.stdout, job.stderr) == ("exited", b"searched\n", b""), job
