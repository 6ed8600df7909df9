"""The manifests for many machines say the same as the code, the configuration and the constraints."""

from __future__ import annotations

import re
from typing import Any

import yaml

from streamer.config import load_config
from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "kubernetes-ray"
CLUSTER: dict[str, Any] = yaml.safe_load((FOLDER / "raycluster.yaml").read_text())
SECRETS = {"REDIS_PASSWORD": "r", "GATE_PASSWORD": "g"}


def test_head_and_workers_run_what_was_tested_and_know_the_secret():
    assert f"ray=={CLUSTER['spec']['rayVersion']}" in (ROOT / "deploy" / "constraints.txt").read_text()
    groups = [CLUSTER["spec"]["headGroupSpec"], *CLUSTER["spec"]["workerGroupSpecs"]]
    assert len(groups) == 2
    for group in groups:
        [container] = group["template"]["spec"]["containers"]
        assert container["envFrom"] == [{"secretRef": {"name": "streamer-secrets"}}]
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert group["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
        assert group["rayStartParams"]["disable-usage-stats"] == "true"
    assert groups[0]["rayStartParams"]["num-cpus"] == "0"  # streamer.fleet.on_ray starts no host where there are none


def test_the_example_is_a_configuration_and_everybody_asks_where_it_listens():
    config = load_config(FOLDER / "cameras.yaml", SECRETS)
    worker = CLUSTER["spec"]["workerGroupSpecs"][0]
    [container] = worker["template"]["spec"]["containers"]
    assert worker["template"]["metadata"]["annotations"]["prometheus.io/port"] == str(config.http.port)
    assert container["ports"] == [{"name": "http", "containerPort": config.http.port}]
    assert container["readinessProbe"]["httpGet"]["port"] == "http"
    [(_, host, port)] = re.findall(r"(@)([a-z.]+):(\d+)", config.redis.url)
    assert CLUSTER["spec"]["gcsFaultToleranceOptions"]["redisAddress"] == f"{host}:{port}"
    wanted = {label for camera in config.cameras.values() for label in camera.node.prefer}
    assert wanted <= {worker["rayStartParams"]["labels"]}


def test_the_kustomization_names_files_that_there_are():
    named = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
    files = [*named["resources"], *(file for each in named["configMapGenerator"] for file in each["files"])]
    assert all((FOLDER / file).exists() for file in files)
