"""What is no pod is refused with its path, with and without the kubernetes package."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fledge_pod import PodSpecError, PodTemplate, check_pod_spec, pod_fields
from fledge_pod.pod_fields import known_fields

TABLE = Path(pod_fields.__file__).with_name("pod_fields.json")


def _script() -> ModuleType:
    """The script that makes the table."""
    spec = importlib.util.spec_from_file_location("make_pod_fields", Path(__file__).with_name("make_pod_fields.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"nodeselector": {}}, r"pod_spec\.nodeselector: V1PodSpec has no such field; did you mean 'nodeSelector'\?"),
        ({"node_selector": {}}, r"pod_spec\.node_selector: .*did you mean 'nodeSelector'"),
        (
            {"containers": [{"name": "a", "volumeMounts": [{"name": "v", "path": "/"}]}]},
            r"pod_spec\.containers\[0\]\.volumeMounts\[0\]\.path: V1VolumeMount has no such field",
        ),
        (
            {"containers": [{"name": "a", "volumeMounts": [{"name": "v"}]}]},
            r"pod_spec\.containers\[0\]\.volumeMounts\[0\]: has no 'mountPath', which V1VolumeMount needs",
        ),
        ({"containers": [{"image": "x"}]}, r"pod_spec\.containers\[0\]: has no 'name'"),
        ({"containers": {"name": "a"}}, r"pod_spec\.containers: is .*, not a list"),
        ({"containers": ["a"]}, r"pod_spec\.containers\[0\]: is 'a', not a mapping"),
        ({"priority": "high"}, r"pod_spec\.priority: is 'high', not an integer"),
        ({"priority": 1.5}, r"pod_spec\.priority: is 1\.5, not an integer"),
        ({"hostNetwork": "yes"}, r"pod_spec\.hostNetwork: is 'yes', not a bool"),
        ({"hostname": 5}, r"pod_spec\.hostname: is 5, not a str"),
        ({"nodeSelector": {"gpu": True}}, r"pod_spec\.nodeSelector\.gpu: is True, not a str"),
        ({"nodeSelector": ["gpu"]}, r"pod_spec\.nodeSelector: is .*, not a mapping"),
        ({"containers": [{"name": "Main"}]}, r"pod_spec\.containers\[0\]\.name: 'Main' is no name in Kubernetes"),
        ({"containers": [{"name": "a" * 64}]}, r"pod_spec\.containers\[0\]\.name: .* is no name"),
        (
            {"containers": [{"name": "a"}], "initContainers": [{"name": "a"}]},
            r"pod_spec\.initContainers\[0\]\.name: 'a' is the name of pod_spec\.containers\[0\] already",
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]},
            r"pod_spec\.volumes\[1\]\.name: 'v' is the name of pod_spec\.volumes\[0\] already",
        ),
        (
            {"containers": [{"name": "a", "resources": {"requests": {"memory": "2GB"}}}]},
            r"resources\.requests\.memory: '2GB' is no quantity in Kubernetes\. Write it as",
        ),
    ],
)
def test_what_is_no_pod_is_refused_with_its_path(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(PodSpecError, match=f"^{message}" if message.startswith("pod_spec") else message) as caught:
        check_pod_spec(spec)
    assert caught.value.path.startswith("pod_spec")
    with pytest.raises(PodSpecError):
        PodTemplate(spec)


@pytest.mark.parametrize("quantity", ["1", "0.5", ".5", "500m", "2Gi", "1e3", "2E", "100k", 2, 0.5])
def test_quantities_of_kubernetes_pass(quantity: object) -> None:
    check_pod_spec({"containers": [{"name": "a", "resources": {"limits": {"cpu": quantity}}}]})


WITHOUT_KUBERNETES = """
import sys
sys.modules["kubernetes"] = None  # as if it were not installed: importing it fails
from fledge_pod import PodTemplate
PodTemplate({"containers": [{"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/"}]}]})
for spec in ({"nodeselector": {}}, {"containers": [{"name": "a", "volumeMounts": [{"name": "v", "path": "/"}]}]}):
    try:
        PodTemplate(spec)
    except ValueError as exc:
        print(exc)
"""


def test_unknown_fields_are_refused_without_the_kubernetes_package() -> None:
    ran = subprocess.run([sys.executable, "-c", WITHOUT_KUBERNETES], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines() == [
        "pod_spec.nodeselector: V1PodSpec has no such field; did you mean 'nodeSelector'?",
        "pod_spec.containers[0].volumeMounts[0].path: V1VolumeMount has no such field",
    ]


def test_the_table_of_fields_is_what_the_kubernetes_package_says() -> None:
    """Of the version it was made from; a newer one may know more, and is asked for what the table has not."""
    kubernetes, script = pytest.importorskip("kubernetes"), _script()
    shipped = json.loads(TABLE.read_text(encoding="utf-8"))
    if kubernetes.__version__ == shipped["kubernetes"]:
        assert shipped["models"] == script.table()
    for model, fields in script.table().items():
        for name in fields:
            assert name in known_fields(model, name)


def test_a_field_that_only_the_installed_package_knows_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kubernetes")
    shipped = json.loads(TABLE.read_text(encoding="utf-8"))["models"]
    old = {**shipped, "V1PodSpec": {name: kind for name, kind in shipped["V1PodSpec"].items() if name != "hostUsers"}}
    monkeypatch.setattr(pod_fields, "_table", lambda: old)
    check_pod_spec({"hostUsers": True})
    with pytest.raises(PodSpecError, match="hostUsers: is 'yes', not a bool"):
        check_pod_spec({"hostUsers": "yes"})
