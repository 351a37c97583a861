# SPDX-License-Identifier: Apache-2.0
"""deploy/nomad: HashiCorp's own reader reads the job, and names in it lead somewhere.

There is no schema: Debian 12 has no Nomad, and Nomad publishes none for its jobs apart from the types of
its Go package. So unknown keys of Nomad would not be found here; `nomad job validate` finds them."""
import json
import os
import re
import subprocess

import pytest

from fixtures.help_text import options_of_help
from fixtures.paths import BUILD, TOP

FILE = os.path.join(TOP, "deploy/nomad/program-explorer.nomad.hcl")
HERE = os.path.dirname(os.path.abspath(__file__))


@pytest.fixture(scope="module")
def groups():
    command = ["node", os.path.join(HERE, "to_json.mjs"), os.path.join(BUILD, "deploy-schemas"), FILE]
    read = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return {name: group for name, (group,) in read["job"]["program-explorer"][0]["group"].items()}


def test_programs_know_their_options(groups):
    for group in groups.values():
        for program, (task,) in group["task"].items():
            options = {word for word in task["config"][0]["args"] if word.startswith("--")}
            assert options <= {f"--{name}" for _, name, _ in options_of_help(program)}


def test_the_policy_scales_workers_by_a_metric_that_the_balancer_has(groups, balancer):
    policy = groups["worker"]["scaling"][0]["policy"][0]["check"]["requests"][0]
    metric = re.fullmatch(r"sum\((\w+)\)", policy["query"])[1]
    assert re.search(rf"^{metric} \d+$", balancer.request("GET", "/metrics").body.decode(), re.M)
    args = groups["worker"]["task"]["pe-worker"][0]["config"][0]["args"]
    assert str(policy["strategy"]["target-value"][0]["target"]) == args[args.index("--slots") + 1]


def test_workers_have_time_to_finish_their_jobs(groups):
    task = groups["worker"]["task"]["pe-worker"][0]
    assert task["kill_signal"] == "SIGTERM" and int(task["kill_timeout"].rstrip("s")) > 700


def test_tokens_are_written_so_that_the_programs_accept_them(groups):
    """Without `perms`, Nomad writes files that every user may read, and both programs refuse such a token."""
    for group in groups.values():
        for (task,) in group["task"].values():
            (token,) = [one for one in task["template"] if one["destination"] == "secrets/token"]
            assert int(token["perms"], 8) & 0o077 == 0
    balancer = groups["balancer"]["task"]["pe-lb"][0]["template"][0]
    with open(os.path.join(TOP, "deploy/containers/Containerfile.lb"), encoding="ascii") as file:
        assert f"\nUSER {balancer['uid']}:{balancer['gid']}\n" in file.read()
