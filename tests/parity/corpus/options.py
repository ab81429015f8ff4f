"""Programs about what a task tells the platform of itself: retries, timeout, cache, decks, labels and the like."""

from __future__ import annotations

from datetime import timedelta

from fledge import DeckField, Interface, PythonTask, Secret, TaskMetadata, kwtypes, task
from tests.parity.calls import called_with


@task(retries=0)
def no_retries(a: int) -> int:
    return a


@task(retries=5)
def retries(a: int) -> int:
    return a


@task(timeout=timedelta(hours=1, microseconds=250))
def timeout(a: int) -> int:
    return a


@task(timeout=90)
def timeout_seconds(a: int) -> int:
    return a


@task(timeout=0)
def timeout_zero(a: int) -> int:
    return a


@task(timeout=timedelta(days=400))
def timeout_long(a: int) -> int:
    return a


@called_with({"a": 1})
@task(cache=True, cache_version="1.0")
def cached(a: int) -> int:
    return a


@task(cache=True, cache_version="v2", cache_serialize=True)
def cached_serialized(a: int) -> int:
    return a


@task(cache=True, cache_version="v2", cache_ignore_input_vars=("b", "c"))
def cached_ignoring(a: int, b: int, c: str = "x") -> int:
    return a


@task(cache=False, cache_version="unused")
def version_without_cache(a: int) -> int:
    return a


@task(interruptible=True)
def interruptible(a: int) -> int:
    return a


@task(interruptible=False)
def uninterruptible(a: int) -> int:
    return a


@task(deprecated="use another one")
def deprecated(a: int) -> int:
    return a


@task(enable_deck=True)
def deck(a: int) -> int:
    return a


@task(enable_deck=False)
def no_deck(a: int) -> int:
    return a


@task(enable_deck=True, deck_fields=(DeckField.INPUT, DeckField.OUTPUT))
def some_decks(a: int) -> int:
    return a


@task(enable_deck=True, deck_fields=None)
def decks_of_its_own(a: int) -> int:
    return a


@task(pod_template_name="small-node")
def pod_template_name(a: int) -> int:
    return a


@task(labels={"team": "red", "app.kubernetes.io/name": "flights"})
def labels(a: int) -> int:
    return a


@task(annotations={"note": "“quoted”", "empty": ""})
def annotated(a: int) -> int:
    return a


@task(labels={}, annotations={})
def empty_labels(a: int) -> int:
    return a


@task(environment={"A": "1", "B": "two words", "C": ""})
def environment(a: int) -> int:
    return a


@task(secret_requests=[Secret(group="db", key="password")])
def secret(a: int) -> int:
    return a


@task(
    secret_requests=[
        Secret(group="db", key="password", mount_requirement=Secret.MountType.FILE),
        Secret(group="db", key="user", group_version="v3", mount_requirement=Secret.MountType.ENV_VAR),
        Secret(group="api", key="token", env_var="API_TOKEN"),
        Secret(group="whole"),
    ]
)
def secrets(a: int) -> int:
    return a


@task(secret_requests=[])
def no_secrets(a: int) -> int:
    return a


@task(
    retries=3,
    timeout=timedelta(minutes=5),
    cache=True,
    cache_version="7",
    cache_serialize=True,
    cache_ignore_input_vars=("b",),
    interruptible=True,
    deprecated="soon gone",
    enable_deck=True,
    labels={"team": "red"},
    annotations={"note": "x"},
    environment={"A": "1"},
    secret_requests=[Secret(group="g", key="k")],
    pod_template_name="template",
)
def everything(a: int, b: int = 2) -> tuple[int, str]:
    """Everything at once.

    Args:
        a: first
        b: second
    """
    return a, str(b)


class Plain(PythonTask[None]):
    """A task without a container: a backend plugin knows its type."""

    def __init__(self, name: str, metadata: TaskMetadata | None = None) -> None:
        super().__init__("plain", name, interface=Interface(kwtypes(a=int), kwtypes(o0=int)), metadata=metadata)

    def execute(self, **kwargs: int) -> int:
        return kwargs["a"] + 1


default_metadata = called_with({"a": 1})(Plain("default_metadata"))
metadata_flags = Plain(
    "metadata_flags",
    TaskMetadata(
        cache=True,
        cache_version="3",
        cache_serialize=True,
        cache_ignore_input_vars=("a",),
        interruptible=False,
        deprecated="old",
        retries=2,
        timeout=timedelta(seconds=1.5),
        pod_template_name="p",
        generates_deck=True,
        is_eager=True,
        labels={"l": "1"},
        annotations={"a": "2"},
    ),
)
metadata_seconds = Plain("metadata_seconds", TaskMetadata(timeout=7, retries=2**31))
