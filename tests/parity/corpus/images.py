"""Programs about images that only some settings know."""

from __future__ import annotations

from fledge import PodTemplate, task

SETTINGS_OF_MODULE = ("fast",)


@task(container_image="{{.image.gpu.fqn}}:{{.image.gpu.version}}")
def by_parts(a: int) -> int:
    return a


@task(container_image="{{.image.gpu}}")
def whole(a: int) -> int:
    return a


@task(container_image="{{.images.gpu}}")
def plural(a: int) -> int:
    return a


@task(container_image="{{ .image.gpu.fqn }}:latest")
def spaces(a: int) -> int:
    return a


@task(container_image="{{.image.pinned.fqn}}:{{.image.pinned.version}}")
def digest_by_parts(a: int) -> int:
    return a


@task(container_image="{{.image.pinned}}")
def digest_whole(a: int) -> int:
    return a


@task(
    container_image="{{.image.gpu}}",
    pod_template=PodTemplate(
        pod_spec={"containers": [{"name": "primary"}, {"name": "helper", "image": "{{.image.pinned}}"}]}
    ),
)
def in_a_pod(a: int) -> int:
    return a
