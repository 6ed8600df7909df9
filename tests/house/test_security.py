"""The checklist of docs/security.md is no list of wishes: each of its lines names a test that there is."""

from __future__ import annotations

import ast
import re

import pytest
import yaml

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
CHECKLIST = PAGE.partition("## Checklist")[2]
LINES = [line for line in CHECKLIST.splitlines() if line.startswith("| ") and not line.startswith(("| what", "| ---"))]


def test_the_checklist_has_its_lines() -> None:
    assert len(LINES) >= 25


@pytest.mark.parametrize("line", LINES)
def test_every_line_names_a_test_that_there_is(line: str) -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", line)
    assert named, f"no test is named in: {line}"
    for file, test in named:
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}, (
            f"{file} has no {test}"
        )


def test_the_pod_gives_up_every_right_that_it_does_not_need() -> None:
    text = (ROOT / "deploy" / "kubernetes" / "statefulset.yaml").read_text(encoding="utf-8")
    [workload] = [each for each in yaml.safe_load_all(text) if each]
    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in [*pod["containers"], *pod.get("initContainers", ())]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
