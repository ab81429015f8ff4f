"""Writes golden/pods.json: the pods that flytekit makes of tasks. Run it where flytekit and kubernetes are installed.

    python make_golden_pods.py

`specs` and `OPTIONS` are shared with the test. The command's arguments differ by design and are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from kubernetes.client import (
    V1Affinity,
    V1Container,
    V1EmptyDirVolumeSource,
    V1EnvVar,
    V1EnvVarSource,
    V1HTTPGetAction,
    V1LocalObjectReference,
    V1NodeAffinity,
    V1NodeSelector,
    V1NodeSelectorRequirement,
    V1NodeSelectorTerm,
    V1ObjectFieldSelector,
    V1PodSecurityContext,
    V1PodSpec,
    V1Probe,
    V1ResourceRequirements,
    V1Toleration,
    V1Volume,
    V1VolumeMount,
)

GOLDEN = Path(__file__).parent / "golden" / "pods.json"
IMAGE = "registry.example/project:1"


def specs() -> dict[str, V1PodSpec]:
    """Name -> a new pod."""
    shared = V1Volume(name="shared", empty_dir=V1EmptyDirVolumeSource(medium="Memory", size_limit="1Gi"))
    mount = V1VolumeMount(name="shared", mount_path="/shared")
    zone = V1NodeSelectorRequirement(key="zone", operator="In", values=["a", "b"])
    return {
        "empty": V1PodSpec(containers=[]),
        "placement": V1PodSpec(
            containers=[],
            node_selector={"gpu": "a100"},
            tolerations=[V1Toleration(key="gpu", operator="Exists", effect="NoSchedule", toleration_seconds=30)],
            affinity=V1Affinity(
                node_affinity=V1NodeAffinity(
                    required_during_scheduling_ignored_during_execution=V1NodeSelector(
                        node_selector_terms=[V1NodeSelectorTerm(match_expressions=[zone])]
                    )
                )
            ),
            service_account_name="trainer",
            image_pull_secrets=[V1LocalObjectReference(name="pull")],
            security_context=V1PodSecurityContext(run_as_user=1000, run_as_non_root=True, supplemental_groups=[1, 2]),
        ),
        "primary": V1PodSpec(
            containers=[
                V1Container(
                    name="primary",
                    image="{{.image.other.fqn}}:{{.image.other.version}}",
                    env=[
                        V1EnvVar(name="OWN", value="1"),
                        V1EnvVar(
                            name="NODE",
                            value_from=V1EnvVarSource(field_ref=V1ObjectFieldSelector(field_path="spec.nodeName")),
                        ),
                    ],
                    volume_mounts=[mount],
                    resources=V1ResourceRequirements(limits={"memory": "9Gi"}),
                    command=["never"],
                    liveness_probe=V1Probe(http_get=V1HTTPGetAction(path="/", port=8080), period_seconds=5),
                )
            ],
            volumes=[shared],
        ),
        "sidecar": V1PodSpec(
            containers=[V1Container(name="logs", image="busybox:1", args=["tail"], volume_mounts=[mount])],
            init_containers=[V1Container(name="fetch", image="busybox:1")],
            volumes=[shared],
            restart_policy="OnFailure",
        ),
    }


OPTIONS: dict[str, dict[str, Any]] = {  # Any: keyword arguments of PodTemplate
    "plain": {},
    "labelled": {"labels": {"team": "x"}, "annotations": {"a/b": "c"}},
    "renamed": {"primary_container_name": "main"},
}
RESOURCES: dict[str, dict[str, dict[str, str]]] = {
    "none": {},
    "asked": {"requests": {"cpu": "1", "mem": "2Gi"}, "limits": {"mem": "4Gi", "gpu": "1"}},
}


def without_arguments(pod: Any) -> Any:  # Any: a K8sPod message
    """The pod without the arguments of the task's command, and without the variable that names fledge's version."""
    for container in pod.pod_spec.fields["containers"].list_value.values:
        fields = container.struct_value.fields
        variables = fields["env"].list_value.values if "env" in fields else []
        for number, variable in reversed(list(enumerate(variables))):
            if variable.struct_value.fields["name"].string_value == "FLEDGE_SERIALIZED_WITH":
                del variables[number]
        if "command" in fields and not fields["command"].list_value.values:
            fields.pop("args", None)
    return pod


def work() -> None:
    """The task whose pods are compared."""


def main() -> None:
    from flytekit import PodTemplate, Resources, task
    from flytekit.configuration import Image, ImageConfig, SerializationSettings

    image = Image.look_up_image_info("default", IMAGE)
    other = Image.look_up_image_info("other", "registry.example/other:2")
    settings = SerializationSettings(
        project="p", domain="d", version="v", env={"A": "1"}, image_config=ImageConfig(image, [image, other])
    )
    golden = {}
    for spec_name in specs():
        for option_name, options in OPTIONS.items():
            for asked_name, asked in RESOURCES.items():
                template = PodTemplate(pod_spec=specs()[spec_name], **options)
                resources = {key: Resources(**value) for key, value in asked.items()}

                made = task(pod_template=template, environment={"B": "2"}, **resources)(work)
                pod = made.get_k8s_pod(settings).to_flyte_idl()
                golden[f"{spec_name}/{option_name}/{asked_name}"] = {
                    "pod": without_arguments(pod).SerializeToString(deterministic=True).hex(),
                    "config": made.get_config(settings),
                }
    GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
