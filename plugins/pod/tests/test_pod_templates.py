"""Pods around tasks: equal to flytekit's (under golden/), refused with a path, merged by Kubernetes' rules."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fledge import (
    Image,
    ImageConfig,
    Resources,
    SerializationSettings,
    idl,
    task,
    task_template,
)
from fledge import PodTemplate as CorePodTemplate
from fledge.errors import HookCallError
from fledge_pod import PodSpecError, PodTemplate, merged

pytest.importorskip("kubernetes")


def _cases() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_pods", Path(__file__).with_name("make_golden_pods.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES = _cases()
WRITTEN = json.loads(CASES.GOLDEN.read_text())
SETTINGS = SerializationSettings(
    project="p",
    domain="d",
    version="v",
    env={"A": "1"},
    image_config=ImageConfig(
        Image("default", "registry.example/project", "1"), (Image("other", "registry.example/other", "2"),)
    ),
)


def work() -> None:
    """The task whose pods are compared."""


class Made:
    """The tasks, where the resolver finds them."""


def _make(name: str) -> None:
    spec, option, asked = name.split("/")
    template = PodTemplate(CASES.specs()[spec], **CASES.OPTIONS[option])
    resources: Any = {key: Resources(**value) for key, value in CASES.RESOURCES[asked].items()}
    setattr(Made, name.replace("/", "_"), task(pod_template=template, environment={"B": "2"}, **resources)(work))


for _name in WRITTEN:
    _make(_name)
wrong = task(pod_template=CorePodTemplate({"nodeselector": {"a": "b"}}))(work)
counted = task(
    pod_template=PodTemplate(
        {"terminationGracePeriodSeconds": 30, "tolerations": [{"key": "a", "tolerationSeconds": 5}]}
    )
)(work)


@pytest.mark.parametrize("name", WRITTEN)
def test_the_pod_is_flytekits(name: str) -> None:
    made = task_template(getattr(Made, name.replace("/", "_")), SETTINGS)
    expected = idl.tasks.K8sPod.FromString(bytes.fromhex(WRITTEN[name]["pod"]))
    assert CASES.without_arguments(made.k8s_pod) == expected
    assert dict(made.config) == WRITTEN[name]["config"]
    assert not made.HasField("container")


@pytest.mark.parametrize("name", CASES.specs())
def test_a_pod_of_models_equals_the_same_pod_as_json(name: str) -> None:
    template = PodTemplate(CASES.specs()[name])
    assert PodTemplate(dict(template.pod_spec)) == template
    assert isinstance(template, CorePodTemplate)


def test_models_may_stand_inside_json() -> None:
    from kubernetes.client import V1Toleration

    template = PodTemplate({"tolerations": (V1Toleration(key="gpu", operator="Exists"),)})
    assert template.pod_spec == {"tolerations": [{"key": "gpu", "operator": "Exists"}]}


@pytest.mark.parametrize("given", [5, "spec", object()])
def test_what_is_neither_model_nor_json_is_refused(given: Any) -> None:
    with pytest.raises(PodSpecError, match="not a V1PodSpec or its JSON form"):
        PodTemplate(given)


def test_an_unknown_field_in_a_plain_template_is_named_when_the_task_is_serialized() -> None:
    with pytest.raises(HookCallError, match=r"get_k8s_pod\(\) failed .*pod_spec\.nodeselector: V1PodSpec has no such"):
        task_template(wrong, SETTINGS)


def test_whole_numbers_in_a_struct_pass() -> None:
    made = task_template(counted, SETTINGS)
    assert idl.json_format.MessageToDict(made.k8s_pod.pod_spec)["terminationGracePeriodSeconds"] == 30


def test_templates_are_merged_by_the_names_of_their_parts() -> None:
    platform = PodTemplate(
        {
            "nodeSelector": {"pool": "train", "zone": "a"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "volumes": [{"name": "scratch", "emptyDir": {}}],
            "containers": [
                {
                    "name": "primary",
                    "env": [{"name": "LEVEL", "value": "1"}, {"name": "HOME", "value": "/h"}],
                    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                    "command": ["a", "b"],
                },
                {"name": "logs", "image": "busybox:1"},
            ],
        },
        labels={"team": "platform"},
    )
    mine = PodTemplate(
        {
            "nodeSelector": {"zone": "b"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}],
            "volumes": [{"name": "scratch", "emptyDir": {"medium": "Memory"}}, {"name": "data", "emptyDir": {}}],
            "containers": [
                {"name": "extra", "image": "busybox:2"},
                {
                    "name": "primary",
                    "env": [{"name": "LEVEL", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    "command": ["c"],
                },
            ],
        },
        annotations={"a": "b"},
    )
    both = merged(platform, mine)
    assert both.labels == {"team": "platform"}
    assert both.annotations == {"a": "b"}
    assert both.pod_spec == {
        "nodeSelector": {"pool": "train", "zone": "b"},
        "tolerations": [{"key": "gpu", "operator": "Exists"}, {"key": "spot", "operator": "Exists"}],
        "volumes": [{"name": "scratch", "emptyDir": {"medium": "Memory"}}, {"name": "data", "emptyDir": {}}],
        "containers": [
            {
                "name": "primary",
                "env": [
                    {"name": "LEVEL", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                    {"name": "HOME", "value": "/h"},
                ],
                "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
                "command": ["c"],
            },
            {"name": "logs", "image": "busybox:1"},
            {"name": "extra", "image": "busybox:2"},
        ],
    }
    assert merged(both, PodTemplate()) == both
    assert merged(PodTemplate(), both) == both


@pytest.mark.parametrize("name", CASES.specs())
def test_a_template_merged_with_itself_is_itself(name: str) -> None:
    template = PodTemplate(CASES.specs()[name])
    assert merged(template, template) == template


def test_two_names_for_the_container_of_the_task_are_refused() -> None:
    with pytest.raises(PodSpecError, match="primary_container_name: the templates call it 'primary' and 'main'"):
        merged(PodTemplate(), PodTemplate(primary_container_name="main"))
    with pytest.raises(PodSpecError, match="primary_container_name: is empty"):
        PodTemplate(primary_container_name="")


def test_the_package_imports_no_kubernetes() -> None:
    code = (
        "import sys, fledge_pod.hooks; from fledge_pod import PodTemplate\n"
        "PodTemplate({'nodeSelector': {'a': 'b'}})\nprint('kubernetes' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
