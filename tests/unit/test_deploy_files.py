"""Image, compose file, manifests and unit say the same things as each other, as the configuration and as the code."""

from __future__ import annotations

import configparser
import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from streamer.config import Config, load_config
from streamer.demo.clips import _fingerprint
from streamer.demo.script import Ground
from streamer.demo.views import VIEWS
from streamer.demo.watch import posts
from streamer.errors import ArtifactError, ConfigError
from streamer.web.passwords import matches
from tests.conftest import ROOT

DEPLOY = ROOT / "deploy"
A_HASH = "scrypt$32768$8$1$mMkGAocbNkuns6joAB7dEA==$Rtbp77XFBvMKeTU5FBSbi4Q23Xkevwa698Jgg+o8h7Q="
SECRETS = {"REDIS_PASSWORD": "r", "GATE_PASSWORD": "g", "ADMIN_HASH": A_HASH}
DOCKERFILE = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [line.split(maxsplit=1) for line in DOCKERFILE.splitlines() if re.match(r"[A-Z]+ ", line)]
MANIFESTS = [
    document
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    if path.name not in ("kustomization.yaml", "cameras.yaml")
    for document in yaml.safe_load_all(path.read_text())
]


def said(instruction: str) -> list[str]:
    return [rest for name, rest in INSTRUCTIONS if name == instruction]


def stages() -> set[str]:
    return {stage.split(" AS ")[1] for stage in said("FROM") if " AS " in stage}


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return content


def manifest(kind: str) -> dict[str, Any]:
    [found] = [each for each in MANIFESTS if each["kind"] == kind]
    return found


def configuration(folder: str) -> Config:
    return load_config(DEPLOY / folder / "cameras.yaml", SECRETS)


# the image


def test_the_image_has_both_targets_and_the_cpu_is_what_is_built_unasked():
    assert {"cpu", "gpu"} <= stages()
    assert said("FROM")[-1] == "cpu"


def test_the_image_runs_as_a_user_without_rights_given_as_a_number():
    assert said("USER") == ["10001:10001"]


def test_the_image_asks_livez_where_the_example_serves_it():
    [check] = said("HEALTHCHECK")
    assert "STREAMER_LIVEZ" in check
    port = configuration("compose").http.port
    assert f"STREAMER_LIVEZ=http://127.0.0.1:{port}/livez" in DOCKERFILE


def test_what_is_copied_into_the_image_is_there_and_let_through():
    let_through = [
        line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    sources = [s for copy in said("COPY") if not copy.startswith("--from") for s in copy.split()[:-1]]
    assert len(sources) >= 6
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in let_through), source


def test_all_packages_of_the_distribution_are_copied():
    project = (ROOT / "pyproject.toml").read_text()
    [include] = re.findall(r"packages\.find\]\ninclude = \[(.*?)\]", project)
    copied = {source for copy in said("COPY") for source in copy.split()[:-1]}
    assert {name.strip(' "*') for name in include.split(",")} <= copied


# compose


@pytest.mark.parametrize("file", ["compose.yaml", "compose.gpu.yaml"])
def test_a_compose_file_builds_targets_that_there_are(file):
    services = yaml.safe_load((DEPLOY / file).read_text())["services"]
    targets = {service["build"]["target"] for service in services.values() if "build" in service}
    assert targets
    assert targets <= stages()


def test_what_compose_mounts_from_the_repository_is_there_and_is_read_only():
    mounts = [m.split(":") for service in compose()["services"].values() for m in service.get("volumes", ())]
    from_here = [mount for mount in mounts if mount[0].startswith(".")]
    assert len(from_here) >= 6
    for source, _, *mode in from_here:
        assert (DEPLOY / source).exists(), source
        assert mode == ["ro"], source
    named = {mount[0] for mount in mounts if not mount[0].startswith(".")}
    assert named == set(compose()["volumes"])


def test_compose_publishes_on_this_machine_only_and_hardens_everything():
    for name, service in compose()["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_everybody_in_compose_asks_where_the_other_listens():
    config = configuration("compose")
    assert config.http.host == config.web.host == "0.0.0.0"
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    assert [job["static_configs"][0]["targets"] for job in scraped if job["job_name"] == "streamer"] == [
        [f"streamer:{config.http.port}"]
    ]
    assert config.redis.url == "redis://:r@redis:6379/0"
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    assert source["url"] == "http://prometheus:9090"
    services = compose()["services"]
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/streamer.yaml").read_text())["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == provider["options"]["path"]
    assert (DEPLOY / "grafana/dashboards" / home.name).exists()


def test_the_scrape_interval_that_grafana_is_told_is_the_one_of_prometheus():
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"][0]
    scrape = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == scrape


def test_the_password_that_compose_names_opens_the_console():
    name, password = re.findall(r"console \((\S+) / (\S+)\)", (DEPLOY / "compose.yaml").read_text())[0]
    assert matches(password, configuration("compose").web.users[name].password.get_secret_value())


def test_the_example_watches_the_places_that_the_demo_watches():
    demo = posts(Ground())
    for name, camera in configuration("compose").cameras.items():
        assert Path(camera.url) == Path("/street") / f"{name}.mp4"
        for zone, points in camera.zones.items():
            assert points == demo[name].zones[zone]
        for line, points in camera.lines.items():
            assert points == demo[name].lines[line]


def test_the_street_is_linked_under_the_names_of_the_cameras(tmp_path):
    drawn = tmp_path / "drawn"
    drawn.mkdir()
    for camera in VIEWS:
        for ending in ("mp4", "npz"):
            (drawn / f"{camera}-{_fingerprint()}.{ending}").write_text(camera)
    for _ in range(2):  # a second time changes nothing
        subprocess.run([sys.executable, DEPLOY / "compose" / "draw_street.py", tmp_path], check=True)
        assert {path.name: path.read_text() for path in tmp_path.glob("*.*")} == {f"{c}.mp4": c for c in VIEWS}
    wanted = {Path(camera.url).name for camera in configuration("compose").cameras.values()}
    assert wanted <= {path.name for path in tmp_path.glob("*.mp4")}


def test_every_variable_that_compose_asks_of_the_shell_has_a_default_and_is_told_of():
    text = (DEPLOY / "compose.yaml").read_text()
    asked = re.findall(r"(?<!\$)\$\{([A-Z_]+)(:-[^}]*)?\}", text)
    assert {name for name, _ in asked} == {"REDIS_PASSWORD", "GRAFANA_PASSWORD"}
    assert all(default for _, default in asked)
    told = (ROOT / "docs" / "operations.md").read_text()
    assert all(f"`{name}`" in told for name, _ in asked)


def test_what_the_configuration_of_compose_reads_from_the_environment_is_given_to_it():
    asked = set(re.findall(r"\$\{([A-Z_]+)\}", (DEPLOY / "compose" / "cameras.yaml").read_text().split("\n", 2)[2]))
    assert asked
    assert asked <= set(compose()["services"]["streamer"]["environment"])


def test_services_of_compose_wait_for_services_that_there_are_and_that_can_tell():
    services = compose()["services"]
    for name, service in services.items():
        waits = service.get("depends_on", {})
        assert set(waits) <= set(services) - {name}
        for other, how in waits.items() if isinstance(waits, dict) else ():
            if how["condition"] == "service_healthy":
                assert services[other]["healthcheck"]["test"]
    over = yaml.safe_load((DEPLOY / "compose.gpu.yaml").read_text())["services"]
    assert set(over) <= set(services)


def test_no_two_services_of_compose_publish_the_same_port_and_ours_are_those_that_are_configured():
    published = [port.split(":") for service in compose()["services"].values() for port in service.get("ports", ())]
    assert len({host for _, host, _ in published}) == len(published)
    config = configuration("compose")
    ours = {port.split(":")[2] for port in compose()["services"]["streamer"]["ports"]}
    assert ours == {str(config.http.port), str(config.web.port)}


def test_compose_writes_only_into_volumes_and_the_data_folder_is_one():
    config, service = configuration("compose"), compose()["services"]["streamer"]
    writable = [m.split(":")[1] for m in service["volumes"] if not m.endswith(":ro")]
    assert any(config.data_dir.is_relative_to(place) for place in writable)
    assert service["tmpfs"] == ["/tmp"]


# Kubernetes


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = manifest("StatefulSet")["spec"]["template"]["spec"]
    return spec


def test_every_manifest_is_named_in_the_kustomization():
    named = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    files = {path.name for path in (DEPLOY / "kubernetes").glob("*.yaml")}
    assert {*named["resources"], *named["configMapGenerator"][0]["files"], "kustomization.yaml"} == files
    images = {image["name"] for image in named["images"]}
    assert {container["image"] for container in pod()["containers"]} == images


def test_the_pod_has_no_rights_and_runs_as_the_user_of_the_image():
    [container] = pod()["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    security = pod()["securityContext"]
    assert security["runAsNonRoot"] is True
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == said("USER")[0]
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod()["automountServiceAccountToken"] is False


def test_probes_ask_the_service_where_it_listens_and_only_livez_restarts_it():
    [container] = pod()["containers"]
    config = configuration("kubernetes")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": config.http.port, "console": config.web.port}
    asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {get["port"] for get in asked.values()} == {"http"}
    assert [asked[p]["path"] for p in ("startupProbe", "livenessProbe", "readinessProbe")] == [
        "/livez",
        "/livez",
        "/readyz",
    ]
    assert config.http.host == "0.0.0.0"


def test_the_service_and_the_policy_let_through_what_the_pod_serves():
    served = {port["containerPort"] for port in pod()["containers"][0]["ports"]}
    assert {port["port"] for port in manifest("Service")["spec"]["ports"]} == served
    let_in = {port["port"] for rule in manifest("NetworkPolicy")["spec"]["ingress"] for port in rule["ports"]}
    assert let_in == served
    assert set(manifest("NetworkPolicy")["spec"]["policyTypes"]) == {"Ingress", "Egress"}


def test_the_policy_lets_out_to_names_redis_and_cameras_and_to_nothing_else():
    config, rules = configuration("kubernetes"), manifest("NetworkPolicy")["spec"]["egress"]
    assert all(rule["to"] and rule["ports"] for rule in rules)  # an empty list would be everything
    blocks = [ip_network(peer["ipBlock"]["cidr"]) for rule in rules for peer in rule["to"] if "ipBlock" in peer]
    assert all(block.is_private for block in blocks)
    for camera in config.cameras.values():
        assert any(ip_address(urlsplit(camera.url).hostname) in block for block in blocks)
    spaces = {
        peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]: rule["ports"]
        for rule in rules
        for peer in rule["to"]
        if "namespaceSelector" in peer
    }
    assert urlsplit(config.redis.url).hostname.split(".")[1] in spaces
    assert {(port["protocol"], port["port"]) for port in spaces["kube-system"]} == {("UDP", 53), ("TCP", 53)}


def test_the_policy_lets_in_only_those_whom_it_names():
    rules = manifest("NetworkPolicy")["spec"]["ingress"]
    assert all(rule["from"] and rule["ports"] for rule in rules)
    assert len({port["port"] for rule in rules for port in rule["ports"]}) == len(rules)  # each has a port of its own


def test_a_pod_that_starts_slowly_is_not_killed_and_one_that_hangs_is():
    [container] = pod()["containers"]
    start, live, ready = (container[p] for p in ("startupProbe", "livenessProbe", "readinessProbe"))
    assert start["periodSeconds"] * start["failureThreshold"] >= 300  # a GPU engine is built in minutes
    assert live["periodSeconds"] * live["failureThreshold"] <= 60
    assert all(probe["timeoutSeconds"] < probe["periodSeconds"] for probe in (live, ready))


def test_the_pods_memory_holds_what_capture_processes_may_fill():
    config = configuration("kubernetes")
    limit = pod()["containers"][0]["resources"]["limits"]["memory"]
    most = len(config.cameras) * config.capture.frames_mb * 1e6
    assert int(limit.removesuffix("Gi")) * 2**30 > 2 * most


def test_the_volume_and_the_pod_say_what_the_service_needs_of_each():
    [container] = pod()["containers"]
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    there = {volume["name"] for volume in pod()["volumes"]}
    there |= {claim["metadata"]["name"] for claim in manifest("StatefulSet")["spec"]["volumeClaimTemplates"]}
    assert mounted == there
    [config_map] = [volume["configMap"]["name"] for volume in pod()["volumes"] if "configMap" in volume]
    named = yaml.safe_load((DEPLOY / "kubernetes" / "kustomization.yaml").read_text())
    assert config_map in {made["name"] for made in named["configMapGenerator"]}


def test_all_three_select_the_same_pod():
    labels = manifest("StatefulSet")["spec"]["template"]["metadata"]["labels"]
    assert manifest("StatefulSet")["spec"]["selector"]["matchLabels"] == labels
    assert manifest("Service")["spec"]["selector"] == labels
    assert manifest("NetworkPolicy")["spec"]["podSelector"]["matchLabels"] == labels


def test_redis_of_the_example_is_let_out_to():
    port = int(re.findall(r":(\d+)/", configuration("kubernetes").redis.url)[0])
    let_out = {p["port"] for rule in manifest("NetworkPolicy")["spec"]["egress"] for p in rule["ports"]}
    assert {port, 554} <= let_out


def test_the_volume_holds_what_the_configuration_keeps_and_is_where_it_writes():
    config = configuration("kubernetes")
    [claim] = manifest("StatefulSet")["spec"]["volumeClaimTemplates"]
    gigabytes = int(claim["spec"]["resources"]["requests"]["storage"].removesuffix("Gi")) * 1.073741824
    keep = config.keep
    assert (keep.snapshots_mb + keep.clips_mb + keep.recordings_mb) / 1000 < 0.8 * gigabytes
    [mount] = [m for m in pod()["containers"][0]["volumeMounts"] if m["name"] == claim["metadata"]["name"]]
    assert config.data_dir.is_relative_to(mount["mountPath"])


def test_everybody_waits_longer_for_the_end_than_the_service_takes():
    shutdown_s = configuration("kubernetes").shutdown_s
    assert pod()["terminationGracePeriodSeconds"] > shutdown_s
    assert int(compose()["services"]["streamer"]["stop_grace_period"].removesuffix("s")) > shutdown_s
    assert int(unit()["Service"]["TimeoutStopSec"]) > shutdown_s


# systemd


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=True, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]
    parser.read(DEPLOY / "systemd" / "streamer.service")
    return parser


def test_what_trying_again_does_not_change_is_not_tried_again():
    codes = unit()["Service"]["RestartPreventExitStatus"].split()
    assert codes == [str(ConfigError.exit_code), str(ArtifactError.exit_code)]


def test_reloading_the_unit_has_the_service_read_its_configuration_again():
    assert unit()["Service"]["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert "--watch" not in unit()["Service"]["ExecStart"]  # without a terminal SIGHUP is heard anyway


@pytest.mark.needs("systemd")
def test_systemd_understands_the_unit_and_finds_little_exposed(tmp_path):
    text = (DEPLOY / "systemd" / "streamer.service").read_text()
    copy = tmp_path / "streamer.service"
    copy.write_text(text.replace("/opt/streamer/bin/streamer", "/bin/true"))  # which is not installed here
    quiet = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, check=False, env=quiet
    )
    assert (verified.returncode, verified.stdout + verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", "--no-pager", "--json=short", copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout + judged.stderr  # 2.0 of 10 at most
    assert json.loads(judged.stdout)
