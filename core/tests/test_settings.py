"""Settings: frozen values, their transport form, images, and the environment of a local run."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import (
    FastSerializationSettings,
    Image,
    ImageConfig,
    LocalConfig,
    Resources,
    SerializationSettings,
)
from fledge.errors import DefinitionError

TEXT = st.none() | st.text(max_size=8)
IMAGES = st.builds(Image, st.text(max_size=5), st.text(max_size=8), TEXT, TEXT)
QUANTITIES = st.none() | st.sampled_from(["1", "500m", "2Gi", 3, 1.5, ("1", "2"), (None, 4)])
RESOURCES = st.builds(Resources, QUANTITIES, QUANTITIES, QUANTITIES, QUANTITIES)
SETTINGS = st.builds(
    SerializationSettings,
    image_config=st.builds(ImageConfig, st.none() | IMAGES, st.lists(IMAGES, max_size=2).map(tuple)),
    project=TEXT,
    domain=TEXT,
    version=TEXT,
    env=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3),
    default_resources=st.none() | RESOURCES,
    git_repo=TEXT,
    fast_serialization_settings=st.none() | st.builds(FastSerializationSettings, st.booleans(), TEXT, TEXT),
    source_root=TEXT,
    prefer=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
)


@given(settings=SETTINGS)
def test_settings_survive_their_transport(settings: SerializationSettings) -> None:
    text = settings.serialized_context()
    assert SerializationSettings.from_transport(text) == settings
    assert settings.serialized_context() == text


def test_the_transport_form_is_stable() -> None:
    """JSON, gzip without a time stamp, base64: equal settings give equal text in every process."""
    import base64
    import gzip
    import json

    text = SerializationSettings(project="p").serialized_context()
    data = gzip.decompress(base64.b64decode(text))
    assert json.loads(data)["project"] == "p"
    assert base64.b64decode(text)[4:8] == bytes(4)


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SerializationSettings().project = "p"  # type: ignore[misc] # the mistake under test


def test_the_root_of_the_virtual_environment_follows_the_interpreter() -> None:
    assert SerializationSettings().python_interpreter == "/opt/venv/bin/python3"
    assert SerializationSettings().virtualenv_root == "/opt/venv"


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "fqn", "tag", "digest"),
    [
        ("repo", "repo", None, None),
        ("repo:v1", "repo", "v1", None),
        ("host:5000/repo", "host:5000/repo", None, None),
        ("host:5000/repo:v1", "host:5000/repo", "v1", None),
        ("repo@sha256:abc", "repo", None, "sha256:abc"),
    ],
)
def test_an_image_reference_is_taken_apart(reference: str, fqn: str, tag: str | None, digest: str | None) -> None:
    image = Image.look_up("name", reference)
    assert (image.fqn, image.tag, image.digest) == (fqn, tag, digest)
    assert image.full == reference
    assert image.version == (digest or tag)


def test_images_are_found_by_name_and_the_default_by_its_own() -> None:
    default, other = Image("base", "b"), Image("other", "o")
    config = ImageConfig(default, (other,))
    assert config.find("other") is other
    assert config.find("default") is default
    assert config.find("nope") is None
    named = Image("default", "mine")
    assert ImageConfig(default, (named,)).find("default") is named


# -- resources ---------------------------------------------------------------------------------------------------------


@given(resources=RESOURCES)
def test_resources_split_into_requests_and_limits(resources: Resources) -> None:
    requests, limits = resources.split()
    for name in ("cpu", "mem", "gpu", "ephemeral_storage"):
        value = getattr(resources, name)
        expected = value if isinstance(value, tuple) else (value, value)
        assert (getattr(requests, name), getattr(limits, name)) == expected


@pytest.mark.parametrize("pair", [("1",), ("1", "2", "3"), ()])
def test_a_pair_has_two_ends(pair: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Resources\(cpu="):
        Resources(cpu=pair)


@pytest.mark.parametrize("quantity", ["-1", "1Gi\n", "1 Gi", "1Q", -1, float("inf")])
def test_what_no_container_can_ask_for_is_refused(quantity: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Resources\(mem=.*not a Kubernetes quantity"):
        Resources(mem=quantity)


# -- the environment ---------------------------------------------------------------------------------------------------


def test_an_empty_environment_gives_the_defaults() -> None:
    config = LocalConfig.from_env({"HOME": "/home/me"})
    assert config.cache_enabled
    assert not config.cache_overwrite
    assert not config.trace_hooks
    assert config.disabled_plugins == frozenset()
    assert config.log_level is None


def test_every_variable_is_read() -> None:
    config = LocalConfig.from_env(
        {
            "FLEDGE_CACHE_DIR": "/cache",
            "FLEDGE_CACHE": "off",
            "FLEDGE_CACHE_OVERWRITE": "1",
            "FLEDGE_DISABLE_PLUGINS": " sql, ,distributed ",
            "FLEDGE_TRACE_HOOKS": "True",
            "FLEDGE_LOG": "info",
        }
    )
    assert config == LocalConfig("/cache", False, True, frozenset(("sql", "distributed")), True, "info")


def test_the_cache_lies_where_caches_lie() -> None:
    assert LocalConfig.from_env({"XDG_CACHE_HOME": "/xdg"}).cache_dir == "/xdg"
    assert LocalConfig.from_env({}).cache_dir.endswith(".cache")


def test_the_cache_is_off_under_pytest_unless_asked_for() -> None:
    assert not LocalConfig.from_env({"PYTEST_CURRENT_TEST": "x"}).cache_enabled
    assert LocalConfig.from_env({"PYTEST_CURRENT_TEST": "x", "FLEDGE_CACHE": "yes"}).cache_enabled


def test_a_switch_that_is_neither_yes_nor_no_is_told_and_counts_as_not_set(caplog: pytest.LogCaptureFixture) -> None:
    assert LocalConfig.from_env({"FLEDGE_CACHE": "maybe"}) == LocalConfig.from_env({})
    assert caplog.messages == ["FLEDGE_CACHE=maybe is neither yes nor no, and counts as not set. Write 1 or 0"]
    assert not LocalConfig.from_env({"FLEDGE_CACHE": "Off"}).cache_enabled


def test_the_environment_is_read_at_the_time_of_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLEDGE_TRACE_HOOKS", "1")
    assert LocalConfig.from_env().trace_hooks
    monkeypatch.delenv("FLEDGE_TRACE_HOOKS")
    assert not LocalConfig.from_env().trace_hooks


def test_a_change_of_any_variable_that_is_read_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    class Recording(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:  # Any: as dict's own
            asked.add(name)
            return super().get(name, default)

        def __contains__(self, name: object) -> bool:
            asked.add(str(name))
            return super().__contains__(name)

    LocalConfig.from_env(Recording())
    for name in sorted({*asked, "HOME"}):
        monkeypatch.setenv(name, "/elsewhere" if name in ("HOME", "XDG_CACHE_HOME") else "1")
        assert LocalConfig.from_env() == LocalConfig.from_env(os.environ), name
        monkeypatch.delenv(name)
        assert LocalConfig.from_env() == LocalConfig.from_env(os.environ), name
