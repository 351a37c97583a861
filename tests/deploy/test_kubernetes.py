# SPDX-License-Identifier: Apache-2.0
"""deploy/kubernetes: kustomize renders it, and what it renders is valid.

kubectl is that of Debian's package kubernetes-client. The schemas come from npm: kubernetes-models is
made of the OpenAPI description of Kubernetes, and @kubernetes-models/keda of the definition of KEDA's
resources. Nothing is asked of a network."""
import copy
import json
import os
import re
import subprocess

import pytest
import yaml

from fixtures import processes
from fixtures.help_text import help_of, options_of_help
from fixtures.paths import BUILD, HOME, TOP
from fixtures.waiting import Background, eventually

FOLDER = os.path.join(TOP, "deploy/kubernetes")
SCHEMAS = os.path.join(BUILD, "deploy-schemas")
HERE = os.path.dirname(os.path.abspath(__file__))
PARTS = ("balancer", "worker", "worker-kvm", "keda")


def render(part):
    """The objects that `kubectl apply -k` would send, with the file's names of generated ones."""
    text = subprocess.run(
        [os.path.join(HOME, "kubectl/usr/bin/kubectl"), "kustomize", os.path.join(FOLDER, part)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return [found for found in yaml.safe_load_all(text) if found]


def findings(objects):
    """What the schemas find wrong with these objects."""
    checked = subprocess.run(
        ["node", os.path.join(HERE, "check_objects.mjs"), SCHEMAS],
        input=json.dumps(objects),
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(checked.stdout)


@pytest.fixture(scope="module")
def objects():
    return {part: render(part) for part in PARTS}


def find(objects, kind, name=None):
    (found,) = [
        one
        for part in objects.values()
        for one in part
        if one["kind"] == kind and name in (None, one["metadata"]["name"])
    ]
    return found


def pod_of(found):
    return found["spec"]["template"]["spec"]


def test_all_objects_are_valid(objects):
    assert findings([one for part in objects.values() for one in part]) == []


def test_a_wrong_field_is_found(objects):
    deployment = find(objects, "Deployment", "pe-worker")
    typo, wrong = copy.deepcopy(deployment), copy.deepcopy(deployment)
    pod_of(typo)["containers"][0]["imagee"] = "x"
    wrong["spec"]["replicas"] = "two"
    assert findings([typo, wrong]) == [
        "Deployment pe-worker: unknown field /spec/template/spec/containers/0/imagee",
        "Deployment pe-worker: data/spec/replicas must be integer",
    ]


def test_the_kinds_are_those_that_the_documents_name(objects):
    kinds = {part: sorted(one["kind"] for one in objects[part]) for part in PARTS}
    assert kinds == {
        "balancer": ["Deployment", "PodDisruptionBudget", "Service", "Service"],
        "worker": ["ConfigMap", "Deployment"],
        "worker-kvm": ["ConfigMap", "DaemonSet"],
        "keda": ["ScaledObject"],
    }


def test_names_lead_somewhere(objects):
    balancer = find(objects, "Deployment", "pe-lb")
    labels = balancer["spec"]["template"]["metadata"]["labels"]
    for name in ("pe-lb", "pe-lb-workers"):
        assert find(objects, "Service", name)["spec"]["selector"].items() <= labels.items()
    budget = find(objects, "PodDisruptionBudget")
    assert budget["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert budget["spec"]["minAvailable"] < balancer["spec"]["replicas"], "a node can be drained"
    assert find(objects, "ScaledObject")["spec"]["scaleTargetRef"]["name"] == "pe-worker"
    for worker in (find(objects, "Deployment", "pe-worker"), find(objects, "DaemonSet")):
        container = pod_of(worker)["containers"][0]
        assert "http://pe-lb-workers:8080" in container["args"]
        volumes = {volume["name"] for volume in pod_of(worker)["volumes"]}
        assert {mount["name"] for mount in container["volumeMounts"]} == volumes


def test_programs_know_their_options(objects):
    for found in (find(objects, "Deployment", "pe-lb"), find(objects, "Deployment", "pe-worker"), find(objects, "DaemonSet")):
        container = pod_of(found)["containers"][0]
        options = {word for word in container["args"] if word.startswith("--")}
        known = {f"--{name}" for _, name, _ in options_of_help(container["name"])}
        assert options <= known, container["name"]


def test_images_are_fetched_by_a_command_that_pe_image_has(objects):
    for found in (find(objects, "Deployment", "pe-worker"), find(objects, "DaemonSet")):
        (container,) = pod_of(found)["initContainers"]
        command = re.fullmatch(r'exec pe-image (\w+) "\$URL" \$NAMES', container["command"][-1])[1]
        assert re.search(rf"^  {command} +\w", help_of("pe-image"), re.M)
        assert f"pe-image {command} [options] URL [NAME:TAG...]" in help_of("pe-image", command)
        (source,) = container["envFrom"]
        settings = [
            one["data"]
            for part in objects.values()
            for one in part
            if one["kind"] == "ConfigMap" and one["metadata"]["name"] == source["configMapRef"]["name"]
        ]
        assert len(settings) == 1 or settings[0] == settings[1]
        assert set(settings[0]) == {"URL", "NAMES"}
        assert container["volumeMounts"][0] in [
            {key: value for key, value in mount.items() if key != "readOnly"}
            for mount in pod_of(found)["containers"][0]["volumeMounts"]
        ]


def test_only_workers_with_kvm_have_a_device_and_rights(objects):
    plain = pod_of(find(objects, "Deployment", "pe-worker"))["containers"][0]
    assert "squat.ai/kvm" not in plain["resources"]["limits"] and "securityContext" not in plain
    assert plain["args"][plain["args"].index("--vmm") + 1] == "uml"
    kvm = pod_of(find(objects, "DaemonSet"))["containers"][0]
    assert kvm["resources"]["limits"]["squat.ai/kvm"] == "1"
    assert kvm["args"][kvm["args"].index("--vmm") + 1] == "kvm"


def test_keda_reads_a_metric_that_the_balancer_has(objects, balancer):
    trigger = find(objects, "ScaledObject")["spec"]["triggers"][0]["metadata"]
    assert trigger["format"] == "prometheus" and trigger["url"].endswith(":8080/metrics")
    page = balancer.request("GET", "/metrics").body.decode()
    assert re.search(rf"^{trigger['valueLocation']} \d+$", page, re.M)
    slots = pod_of(find(objects, "Deployment", "pe-worker"))["containers"][0]["args"]
    assert trigger["targetValue"] == slots[slots.index("--slots") + 1]


def test_the_hook_of_a_worker_waits_for_its_jobs(objects, start_service):
    """The worker is the first process of a process namespace, as in a container."""
    service = start_service(wrapper=["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"], slots=1)
    eventually(lambda: service.run("true").status == "exited", "the worker runs jobs")
    hook = pod_of(find(objects, "Deployment", "pe-worker"))["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    job = Background(service.run, "echo begun > /output/begun; sleep 5; echo finished")
    eventually(lambda: service.balancer.metric("pe_jobs_running") == 1, "the job runs")
    below = processes.descendants(service.worker.process.pid)
    (first,) = [pid for pid in below if processes.parent_of(pid) == service.worker.process.pid]
    subprocess.run(["nsenter", "-t", str(first), "-p", "-m", "--", *hook], check=False)
    assert job.done().stdout == b"finished\n"
    # The kernel ends the processes of the namespace, among them the hook, before its first one is gone.
    eventually(lambda: not processes.is_running(first), "the worker has ended with its hook", 10)


def test_workers_and_balancers_have_time_to_finish_their_jobs(objects):
    """A worker waits for up to 700 s (worker/supervisor.c), and a balancer as its --drain-ms says."""
    for found in (find(objects, "Deployment", "pe-worker"), find(objects, "DaemonSet")):
        assert pod_of(found)["terminationGracePeriodSeconds"] > 700
    balancer = pod_of(find(objects, "Deployment", "pe-lb"))
    (sleep, seconds) = balancer["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    (default,) = re.findall(r"--drain-ms N .*\n?.*\(default (\d+)\)", help_of("pe-lb"))
    assert sleep == "sleep"
    assert balancer["terminationGracePeriodSeconds"] > int(seconds) + int(default) / 1000


def test_pods_mount_their_secrets_so_that_the_programs_accept_them(objects):
    """pe-lb and pe-worker refuse a token that every user may read, which is the default of Kubernetes."""
    pods = [
        pod_of(one) for part in objects.values() for one in part if "template" in one.get("spec", {})
    ]
    mounted = [(pod, volume["secret"]) for pod in pods for volume in pod["volumes"] if "secret" in volume]
    assert len(mounted) == 3
    for pod, secret in mounted:
        assert secret["defaultMode"] & 0o037 == 0
        # A pod that does not run as root reads them through its group.
        assert not pod.get("securityContext", {}).get("runAsUser") or (
            secret["defaultMode"] & 0o040 and pod["securityContext"]["fsGroup"]
        )
