"""Workflows whose nodes differ from their tasks: every override, alone and together."""

# mypy: disable-error-code="attr-defined, func-returns-value"
# To a type checker a call in a workflow gives the value; its promise takes overrides.

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

from fledge import PodTemplate, Resources, task, workflow
from tests.parity.calls import called_with
from tests.parity.devices import device

SETTINGS_OF_MODULE = ("plain", "fast")


class Parts(NamedTuple):
    whole: int
    rest: int


@task
def add(a: int, b: int = 1) -> int:
    return a + b


@task(retries=5, timeout=60, interruptible=True, cache=True, cache_version="1")
def tuned(a: int) -> int:
    return a


@task
def divide(a: int, b: int) -> Parts:
    return Parts(*divmod(a, b))


@task
def note(text: str) -> None:
    pass


@workflow
def inner(a: int) -> int:
    return add(a=a)


@workflow
def of_the_task(a: int) -> int:
    return tuned(a=a)


@called_with({"a": 1})
@workflow
def node_name(a: int) -> int:
    return add(a=a).with_overrides(node_name="first")


@workflow
def node_names_for_kubernetes(a: int) -> None:
    for name in ("My_Node", "a.b-c", "__x__", "abCD", "Node 1", "x" * 70, "Long_" * 15, "ends-"):
        add(a=a).with_overrides(node_name=name)


@workflow
def node_name_used_by_another(a: int) -> int:
    return add(a=add(a=a).with_overrides(node_name="first"), b=a)


@workflow
def shown_name(a: int) -> int:
    return add(a=a).with_overrides(name="What it does")


@workflow
def retries(a: int) -> int:
    return add(a=a).with_overrides(retries=3)


@workflow
def fewer_retries(a: int) -> int:
    return tuned(a=a).with_overrides(retries=0)


@workflow
def timeout_in_seconds(a: int) -> int:
    return add(a=a).with_overrides(timeout=90)


@workflow
def timeout_as_timedelta(a: int) -> int:
    return add(a=a).with_overrides(timeout=timedelta(minutes=2, milliseconds=5))


@workflow
def timeout_taken_away(a: int) -> int:
    return tuned(a=a).with_overrides(timeout=None)


@workflow
def interruptible(a: int) -> int:
    return add(a=a).with_overrides(interruptible=True)


@workflow
def not_interruptible(a: int) -> int:
    return tuned(a=a).with_overrides(interruptible=False)


@workflow
def cached(a: int) -> int:
    return add(a=a).with_overrides(cache=True, cache_version="7")


@workflow
def cached_and_serialized(a: int) -> int:
    return add(a=a).with_overrides(cache=True, cache_version="7", cache_serialize=True)


@workflow
def not_cached(a: int) -> int:
    return tuned(a=a).with_overrides(cache=False)


@workflow
def cached_without_a_version(a: int) -> int:
    return add(a=a).with_overrides(cache=True)


@workflow
def requests(a: int) -> int:
    return add(a=a).with_overrides(requests=Resources(cpu="2", mem="1Gi"))


@workflow
def limits(a: int) -> int:
    return add(a=a).with_overrides(limits=Resources(gpu="1", ephemeral_storage="10Gi"))


@workflow
def requests_and_limits(a: int) -> int:
    return add(a=a).with_overrides(requests=Resources(cpu="1"), limits=Resources(cpu="2", mem="2Gi"))


@workflow
def resources(a: int) -> int:
    return add(a=a).with_overrides(resources=Resources(cpu=("1", "2"), mem="1Gi"))


@workflow
def resources_and_requests(a: int) -> int:
    return add(a=a).with_overrides(resources=Resources(cpu="1"), requests=Resources(cpu="1"))


@workflow
def container_image(a: int) -> int:
    return add(a=a).with_overrides(container_image="ghcr.io/acme/other:3")


@workflow
def accelerator(a: int) -> int:
    return add(a=a).with_overrides(accelerator=device("nvidia-tesla-t4"))


@workflow
def shared_memory(a: int) -> int:
    return add(a=a).with_overrides(shared_memory=True)


@workflow
def shared_memory_with_a_size(a: int) -> int:
    return add(a=a).with_overrides(shared_memory="2Gi")


@workflow
def pod_template(a: int) -> int:
    spec = {
        "nodeSelector": {"disk": "ssd"},
        "containers": [{"name": "main", "env": [{"name": "X", "value": "1"}]}, {"name": "side", "image": "side:1"}],
    }
    template = PodTemplate(
        pod_spec=spec, primary_container_name="main", labels={"team": "data"}, annotations={"note": "x"}
    )
    return add(a=a).with_overrides(pod_template=template)


@workflow
def pod_template_without_a_container(a: int) -> int:
    return add(a=a).with_overrides(pod_template=PodTemplate(pod_spec={"runtimeClassName": "gvisor"}))


@workflow
def aliases(a: int) -> int:
    return divide(a=a, b=2).with_overrides(aliases={"whole": "quotient", "rest": "remainder"}).whole


@workflow
def of_a_tuple(a: int) -> int:
    return divide(a=a, b=2).with_overrides(node_name="parts", retries=2).rest


@workflow
def of_a_task_without_outputs(text: str) -> None:
    note(text=text).with_overrides(node_name="last", timeout=5)


@workflow
def one_after_the_other(a: int) -> int:
    return add(a=a).with_overrides(retries=2).with_overrides(node_name="second").with_overrides(retries=4)


@workflow
def of_a_workflow(a: int) -> int:
    return inner(a=a).with_overrides(node_name="nested", name="Shown", retries=2, timeout=30, interruptible=True)


@workflow
def all_at_once(a: int) -> int:
    return add(a=a).with_overrides(
        node_name="Big_One",
        name="big",
        retries=3,
        timeout=10,
        interruptible=True,
        cache=True,
        cache_version="2",
        requests=Resources(cpu="2"),
        limits=Resources(cpu="4"),
        container_image="ghcr.io/acme/other:3",
        accelerator=device("nvidia-a100"),
        shared_memory="1Gi",
        aliases={"o0": "sum"},
    )


@workflow
def task_config(a: int) -> int:
    return add(a=a).with_overrides(task_config=None or object())


@workflow
def misspelt(a: int) -> int:
    return add(a=a).with_overrides(retrys=3)


@workflow
def promise_as_override(a: int) -> int:
    return add(a=a).with_overrides(retries=a)


@workflow
def negative_retries(a: int) -> int:
    return add(a=a).with_overrides(retries=-1)


@workflow
def timeout_as_text(a: int) -> int:
    return add(a=a).with_overrides(timeout="1m")


@workflow
def same_name_twice(a: int) -> int:
    add(a=a).with_overrides(node_name="same")
    return add(a=a).with_overrides(node_name="same")
