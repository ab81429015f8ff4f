"""Programs about the container: image, resources, pods and accelerators, under settings of three kinds."""

from __future__ import annotations

from fledge import PodTemplate, Resources, Secret, idl, task

SETTINGS_OF_MODULE = ("plain", "fast", "open")


@task
def default(a: int) -> int:
    return a


@task(container_image="ghcr.io/acme/special:3.2")
def fixed_image(a: int) -> int:
    return a


@task(container_image="{{.image.default.fqn}}:{{.image.default.version}}")
def default_image_by_name(a: int) -> int:
    return a


@task(container_image="registry:5000/acme/special@sha256:" + "ab" * 32)
def digest_image(a: int) -> int:
    return a


@task(environment={"STAGE": "test", "OWN": "1"})
def environment_over_settings(a: int) -> int:
    return a


@task(requests=Resources(cpu="1", mem="1Gi"))
def requests(a: int) -> int:
    return a


@task(limits=Resources(cpu="2", mem="2Gi", gpu="1", ephemeral_storage="10Gi"))
def limits(a: int) -> int:
    return a


@task(requests=Resources(cpu=1, gpu=0), limits=Resources(cpu=2.5, mem=1024))
def numbers(a: int) -> int:
    return a


@task(requests=Resources(), limits=Resources())
def empty_resources(a: int) -> int:
    return a


@task(requests=Resources(cpu="500m", mem="256Mi", ephemeral_storage="1Gi"), limits=Resources(mem="1Gi"))
def requests_and_limits(a: int) -> int:
    return a


@task(resources=Resources(cpu=("1", "2"), mem=("1Gi", "2Gi")))
def resource_pairs(a: int) -> int:
    return a


@task(resources=Resources(cpu="1", mem="1Gi"))
def resources_single(a: int) -> int:
    return a


@task(accelerator="nvidia-tesla-t4")
def accelerator(a: int) -> int:
    return a


@task(accelerator=idl.tasks.GPUAccelerator(device="nvidia-tesla-a100", partition_size="1g.5gb"))
def partition(a: int) -> int:
    return a


@task(accelerator=idl.tasks.GPUAccelerator(device="nvidia-tesla-a100", unpartitioned=True))
def unpartitioned(a: int) -> int:
    return a


@task(shared_memory=True)
def shared_memory(a: int) -> int:
    return a


@task(shared_memory="2Gi", accelerator="nvidia-l4", requests=Resources(gpu="1"))
def shared_memory_of_a_size(a: int) -> int:
    return a


@task(pod_template=PodTemplate())
def empty_pod(a: int) -> int:
    return a


@task(
    pod_template=PodTemplate(
        pod_spec={
            "containers": [{"name": "primary", "env": [{"name": "OWN", "value": "1"}]}],
            "restartPolicy": "Never",
        },
        labels={"l": "1"},
        annotations={"a": "2"},
    )
)
def pod(a: int) -> int:
    return a


@task(
    pod_template=PodTemplate(
        primary_container_name="main",
        pod_spec={
            "containers": [
                {"name": "sidecar", "image": "ghcr.io/acme/sidecar:1", "args": ["serve"]},
                {"name": "main", "volumeMounts": [{"name": "cache", "mountPath": "/cache"}]},
            ],
            "volumes": [{"name": "cache", "emptyDir": {}}],
            "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
            "nodeSelector": {"disk": "ssd"},
        },
    ),
    requests=Resources(cpu="1"),
    limits=Resources(cpu="2", mem="1Gi"),
    environment={"A": "1"},
)
def pod_with_sidecar(a: int) -> int:
    return a


@task(
    pod_template=PodTemplate(pod_spec={"containers": [{"name": "primary", "image": "ghcr.io/acme/own:7"}]}),
    retries=2,
    secret_requests=[Secret(group="g", key="k")],
)
def pod_with_image(a: int) -> int:
    return a


@task(pod_template=PodTemplate(), limits=Resources(gpu="1", ephemeral_storage="1Gi"))
def pod_with_gpu(a: int) -> int:
    return a


@task(pod_template=PodTemplate(pod_spec={"containers": [{"name": "primary"}, {"name": "sidecar", "args": ["serve"]}]}))
def pod_with_sidecar_without_image(a: int) -> int:
    return a
