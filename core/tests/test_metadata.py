"""TaskMetadata: what is refused, in which order, and the message it becomes."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import idl
from fledge._version import __version__
from fledge.errors import MetadataError
from fledge.metadata import TaskMetadata

FIELDS = [
    ("cache", False),
    ("cache_serialize", False),
    ("cache_version", ""),
    ("cache_ignore_input_vars", ()),
    ("interruptible", None),
    ("deprecated", ""),
    ("retries", 0),
    ("timeout", None),
    ("pod_template_name", None),
    ("generates_deck", False),
    ("is_eager", False),
    ("labels", None),
    ("annotations", None),
    ("tags", None),
]


def test_fields_and_defaults_are_the_apis_with_labels_annotations_and_tags() -> None:
    assert [(field.name, field.default) for field in dataclasses.fields(TaskMetadata)] == FIELDS


@given(retries=st.integers(0, 2**32 - 1), seconds=st.integers(1, 315_576_000_000), cached=st.booleans())
def test_what_is_accepted_reaches_the_message(retries: int, seconds: int, cached: bool) -> None:
    version = "1" if cached else ""
    message = TaskMetadata(
        retries=retries, timeout=seconds, cache=cached, cache_version=version
    ).to_taskmetadata_model()
    read = idl.tasks.TaskMetadata.FromString(message.SerializeToString())
    assert (read.retries.retries, read.timeout.seconds, read.discoverable) == (retries, seconds, cached)


REFUSED = {
    "float timeout": ({"timeout": 1.5}, "timeout"),
    "text timeout": ({"timeout": "10s"}, "timeout"),
    "bool timeout": ({"timeout": True}, "timeout"),
    "negative timeout": ({"timeout": -1}, "timeout"),
    "negative timedelta": ({"timeout": timedelta(seconds=-1)}, "timeout"),
    "endless timeout": ({"timeout": 10**30}, "timeout"),
    "timedelta beyond the message": ({"timeout": timedelta.max}, "timeout"),
    "cache without version": ({"cache": True}, "cache_version"),
    "serialize without cache": ({"cache_serialize": True}, "cache_serialize"),
    "ignored inputs without cache": ({"cache_ignore_input_vars": ("a",)}, "cache_ignore_input_vars"),
    "ignored inputs as text": (
        {"cache": True, "cache_version": "1", "cache_ignore_input_vars": "ab"},
        "cache_ignore_input_vars",
    ),
    "negative retries": ({"retries": -1}, "retries"),
    "bool retries": ({"retries": True}, "retries"),
    "float retries": ({"retries": 1.0}, "retries"),
    "too many retries": ({"retries": 2**32}, "retries"),
    "text for cache": ({"cache": "no"}, "cache"),
    "text for cache_serialize": ({"cache_serialize": "no"}, "cache_serialize"),
    "text for interruptible": ({"interruptible": "no"}, "interruptible"),
    "number for a flag": ({"is_eager": 1}, "is_eager"),
    "number for a version": ({"cache": True, "cache_version": 1}, "cache_version"),
    "flag for deprecated": ({"deprecated": True}, "deprecated"),
    "number for a pod template": ({"pod_template_name": 3}, "pod_template_name"),
    "text for labels": ({"labels": "a"}, "labels"),
    "number in tags": ({"tags": {"a": 1}}, "tags"),
    "number as an annotation": ({"annotations": {1: "a"}}, "annotations"),
    "number for ignored inputs": (
        {"cache": True, "cache_version": "1", "cache_ignore_input_vars": 5},
        "cache_ignore_input_vars",
    ),
    "number in ignored inputs": (
        {"cache": True, "cache_version": "1", "cache_ignore_input_vars": (1,)},
        "cache_ignore_input_vars",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_makes_no_sense_is_refused_when_it_is_said(case: str) -> None:
    fields, name = REFUSED[case]
    with pytest.raises(MetadataError, match=rf"TaskMetadata\.{name}=") as caught:
        TaskMetadata(**fields)  # type: ignore[arg-type] # the mistake under test
    assert caught.value.field == name
    assert isinstance(caught.value, ValueError)


def test_none_is_the_same_as_not_given() -> None:
    nothing = TaskMetadata(cache=None, cache_version=None, deprecated=None, interruptible=None, labels=None)  # type: ignore[arg-type] # what a wrapper passes on
    assert nothing.to_taskmetadata_model() == TaskMetadata().to_taskmetadata_model()


def test_a_text_may_be_of_a_class_of_its_own() -> None:
    class Version(str):
        __slots__ = ()

    made = TaskMetadata(cache=True, cache_version=Version("1"), labels={Version("a"): "b"})
    assert made.to_taskmetadata_model() == TaskMetadata(True, False, "1", labels={"a": "b"}).to_taskmetadata_model()


def test_ignored_inputs_may_come_in_anything_that_can_be_iterated() -> None:
    made = TaskMetadata(cache=True, cache_version="1", cache_ignore_input_vars=iter(["a", "b"]))  # type: ignore[arg-type] # no tuple
    assert made.cache_ignore_input_vars == ("a", "b")


@pytest.mark.parametrize(
    ("fields", "way_out"),
    [
        ({"cache": "no"}, "cache='no': give True or False"),
        ({"cache": True, "cache_version": 1}, "cache_version=1: write '1'"),
        ({"deprecated": True}, "deprecated=True: give a text"),
        ({"labels": "a=1"}, "labels='a=1': give a dict of texts: {'key': 'value'}"),
        ({"tags": {"a": 1}}, "tags={'a': 1}: 1 must be text. Write '1'"),
    ],
    ids=["flag", "version", "deprecated", "labels", "tags"],
)
def test_a_value_of_another_kind_is_refused_with_what_to_write(fields: dict[str, object], way_out: str) -> None:
    with pytest.raises(MetadataError) as caught:
        TaskMetadata(**fields)  # type: ignore[arg-type] # the mistake under test
    assert str(caught.value) == f"TaskMetadata.{way_out}"


@pytest.mark.parametrize(
    ("version", "way_out"), [("3", "write cache=True, cache_version='3'"), (None, "write cache=True")]
)
def test_the_cache_object_of_flytekit_is_refused_with_what_says_the_same(version: str | None, way_out: str) -> None:
    class Cache:
        def __init__(self, version: str | None) -> None:
            self.version = version

    with pytest.raises(MetadataError) as caught:
        TaskMetadata(cache=Cache(version))  # type: ignore[arg-type] # the mistake under test
    assert caught.value.reason == way_out


def test_the_first_mistake_is_the_one_reported() -> None:
    """The order of the API: timeout, cache version, serialize, ignored inputs."""
    with pytest.raises(MetadataError) as caught:
        TaskMetadata(timeout=-1, cache=True, cache_serialize=True)
    assert caught.value.field == "timeout"
    with pytest.raises(MetadataError) as caught:
        TaskMetadata(cache_serialize=True, cache_ignore_input_vars=("a",))
    assert caught.value.field == "cache_serialize"


@pytest.mark.parametrize(
    ("given_", "seconds"),
    [(10, 10.0), (timedelta(minutes=1), 60.0), (timedelta(milliseconds=1500), 1.5), (None, None), (0, None)],
    ids=["int", "timedelta", "fraction", "none", "zero"],
)
def test_a_timeout_is_whole_seconds_or_a_timedelta(given_: timedelta | int | None, seconds: float | None) -> None:
    metadata = TaskMetadata(timeout=given_)
    assert metadata.timeout_s == seconds
    message = metadata.to_taskmetadata_model()
    assert message.HasField("timeout") == (seconds is not None)
    if seconds is not None:
        assert message.timeout.ToTimedelta() == timedelta(seconds=seconds)


def test_the_message_of_the_defaults() -> None:
    message = TaskMetadata().to_taskmetadata_model()
    expected = idl.tasks.TaskMetadata(
        runtime=idl.tasks.RuntimeMetadata(type="FLYTE_SDK", version=__version__, flavor="python"),
        retries=idl.literals.RetryStrategy(retries=0),
    )
    expected.generates_deck.SetInParent()
    expected.metadata.SetInParent()
    assert message == expected
    assert message.HasField("retries")
    assert message.HasField("generates_deck")
    assert message.HasField("metadata")
    assert not message.HasField("timeout")
    assert message.WhichOneof("interruptible_value") is None


def test_the_message_of_everything() -> None:
    message = TaskMetadata(
        cache=True,
        cache_serialize=True,
        cache_version="3",
        cache_ignore_input_vars=("a", "b"),
        interruptible=False,
        deprecated="use other",
        retries=4,
        timeout=timedelta(seconds=5),
        pod_template_name="pods",
        generates_deck=True,
        is_eager=True,
        labels={"l": "1"},
        annotations={"n": "2"},
        tags={"t": "3"},
    ).to_taskmetadata_model()
    assert message.discoverable
    assert message.cache_serializable
    assert (message.discovery_version, list(message.cache_ignore_input_vars)) == ("3", ["a", "b"])
    assert (message.WhichOneof("interruptible_value"), message.interruptible) == ("interruptible", False)
    assert (message.deprecated_error_message, message.pod_template_name) == ("use other", "pods")
    assert (message.retries.retries, message.timeout.seconds) == (4, 5)
    assert (message.generates_deck.value, message.is_eager) == (True, True)
    assert (dict(message.metadata.labels), dict(message.metadata.annotations)) == ({"l": "1"}, {"n": "2"})
    assert dict(message.tags) == {"t": "3"}


def test_equal_fields_make_equal_metadata() -> None:
    assert TaskMetadata(retries=1) == TaskMetadata(retries=1)
    assert TaskMetadata(retries=1) != TaskMetadata(retries=2)


def test_metadata_has_a_hash_whatever_is_in_it() -> None:
    one, other = (TaskMetadata(labels={"team": "a"}, tags={"of": "b"}, retries=2) for _ in range(2))
    assert len({one, other, TaskMetadata()}) == 2


def test_a_version_that_cannot_be_derived_fails_neither_the_text_nor_the_hash() -> None:
    def fails() -> str:
        raise AssertionError("nobody needs it")

    metadata = TaskMetadata(cache=True, cache_version="x", retries=1).with_derived_version(fails)
    assert "cache=True" in repr(metadata)
    assert repr(metadata).endswith("cache_version=<derived>)")
    assert hash(metadata) == hash(TaskMetadata(cache=True, cache_version="y", retries=1))


def test_metadata_is_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        TaskMetadata().retries = 3  # type: ignore[misc] # the mistake under test


def test_no_retries_means_one_attempt() -> None:
    assert TaskMetadata().retry_strategy == idl.literals.RetryStrategy(retries=0)
