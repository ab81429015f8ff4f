"""The container, pod, secrets and accelerators a task asks for, as the messages Flyte gets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import (
    FastSerializationSettings,
    Image,
    ImageConfig,
    PodTemplate,
    Resources,
    Secret,
    SerializationSettings,
    TaskMetadata,
    __version__,
    idl,
    task,
    task_template,
)
from fledge.container import PythonAutoContainerTask, image_name
from fledge.errors import DefinitionError, SerializationError
from fledge.resolver import ClassBasedResolver

IMAGES = ImageConfig(
    Image("default", "example.org/base", "v1"),
    (Image("train", "example.org/train", "v2"), Image("pinned", "example.org/pin", digest="sha256:" + "0" * 64)),
)
SETTINGS = SerializationSettings(IMAGES, project="p", domain="d", version="v", env={"A": "settings", "B": "settings"})


@task
def plain(a: int) -> int:
    return a


by_position = ClassBasedResolver()


def asking(**options: Any) -> PythonAutoContainerTask[None]:  # Any: options of any kind are under test
    """A task with these options, found by its position in a list."""
    made: PythonAutoContainerTask[None] = PythonAutoContainerTask("asking", task_resolver=by_position, **options)
    by_position.add(made)
    return made


def entries(found: Any) -> list[tuple[int, str]]:
    return [(one.name, one.value) for one in found]


# -- the command line --------------------------------------------------------------------------------------------------


def test_the_command_line_is_what_the_platform_fills_in() -> None:
    container = task_template(plain, SETTINGS).container
    assert list(container.command) == []
    assert list(container.args) == [
        "fledge-execute",
        *("--inputs", "{{.input}}"),
        *("--output-prefix", "{{.outputPrefix}}"),
        *("--raw-output-data-prefix", "{{.rawOutputDataPrefix}}"),
        *("--checkpoint-path", "{{.checkpointOutputPrefix}}"),
        *("--prev-checkpoint", "{{.prevCheckpointPrefix}}"),
        *("--resolver", "fledge.resolver.default_task_resolver"),
        "--",
        *("task-module", __name__, "task-name", "plain"),
    ]


@pytest.mark.parametrize(
    ("fast", "location", "folder"),
    [
        (FastSerializationSettings(True), "{{ .remote_package_path }}", "{{ .dest_dir }}"),
        (FastSerializationSettings(True, "/code", "s3://b/code.tar.gz"), "s3://b/code.tar.gz", "/code"),
    ],
)
def test_fast_registration_puts_its_command_in_front(
    fast: FastSerializationSettings, location: str, folder: str
) -> None:
    from dataclasses import replace

    settings = replace(SETTINGS, fast_serialization_settings=fast)
    args = list(task_template(plain, settings).container.args)
    assert args[:6] == ["fledge-fast-execute", "--additional-distribution", location, "--dest-dir", folder, "--"]
    assert args[6:] == list(task_template(plain, SETTINGS).container.args)
    assert settings.should_fast_serialize


def test_fast_registration_that_is_switched_off_changes_nothing() -> None:
    from dataclasses import replace

    settings = replace(SETTINGS, fast_serialization_settings=FastSerializationSettings(False, "/code"))
    assert task_template(plain, settings) == task_template(plain, SETTINGS)
    assert not settings.should_fast_serialize


# -- images ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (None, "example.org/base:v1"),
        ("", "example.org/base:v1"),
        ("example.org/mine:v3", "example.org/mine:v3"),
        ("{{.image.train.fqn}}:{{.image.train.version}}", "example.org/train:v2"),
        ("{{ .images.train.fqn }}:x", "example.org/train:x"),
        ("{{.image.train}}", "example.org/train:v2"),
        ("{{.image.default.fqn}}:{{.image.train.version}}", "example.org/base:v2"),
        ("{{.image.pinned.fqn}}:{{.image.pinned.version}}", "example.org/pin@sha256:" + "0" * 64),
        ("{{.image.pinned}}", "example.org/pin@sha256:" + "0" * 64),
        (Image("own", "example.org/own", "v9"), "example.org/own:v9"),
    ],
)
def test_an_image_name_is_filled_from_the_settings(image: str | Image | None, expected: str) -> None:
    assert image_name(image, SETTINGS) == expected
    assert task_template(asking(container_image=image), SETTINGS).container.image == expected


def test_no_image_at_all_is_an_empty_name() -> None:
    assert image_name(None, SerializationSettings()) == ""


def test_an_image_that_the_settings_do_not_have_is_refused_with_those_they_have() -> None:
    with pytest.raises(SerializationError, match=r"no image 'tarin' \(they have: train, pinned\)"):
        image_name("{{.image.tarin.fqn}}", SETTINGS)


@pytest.mark.parametrize("image", ["{{.imge.train.fqn}}", "{{.image.train.tag}}", "{{.image.train.fqn}:v1"])
def test_a_template_that_nothing_fills_in_is_refused(image: str) -> None:
    with pytest.raises(SerializationError, match=r"is not filled in. Write \{\{\.image\."):
        image_name(image, SETTINGS)


# -- environment and resources -----------------------------------------------------------------------------------------


def test_the_tasks_environment_wins_over_the_settings() -> None:
    env = task_template(asking(environment={"B": "task", "C": "task"}), SETTINGS).container.env
    *given, version = [(pair.key, pair.value) for pair in env]
    assert given == [("A", "settings"), ("B", "task"), ("C", "task")]
    assert version == ("FLEDGE_SERIALIZED_WITH", __version__)


ALL = Resources(cpu="2", mem="1Gi", gpu=1, ephemeral_storage="10Gi")
ALL_ENTRIES = [(5, "10Gi"), (1, "2"), (2, "1"), (3, "1Gi")]  # ephemeral storage, cpu, gpu, memory


def test_requests_and_limits_come_in_the_platforms_order() -> None:
    resources = task_template(asking(requests=ALL, limits=Resources(mem="2Gi")), SETTINGS).container.resources
    assert entries(resources.requests) == ALL_ENTRIES
    assert entries(resources.limits) == [(3, "2Gi")]


def test_resources_stand_for_both_and_a_pair_for_each() -> None:
    made = asking(resources=Resources(cpu=("1", "2"), mem="1Gi"))
    resources = task_template(made, SETTINGS).container.resources
    assert entries(resources.requests) == [(1, "1"), (3, "1Gi")]
    assert entries(resources.limits) == [(1, "2"), (3, "1Gi")]


def test_default_resources_serve_a_task_that_asks_for_none_and_do_not_stay_with_it() -> None:
    from dataclasses import replace

    made = asking()
    with_default = replace(SETTINGS, default_resources=Resources(cpu="3"))
    assert entries(task_template(made, with_default).container.resources.requests) == [(1, "3")]
    assert entries(task_template(made, SETTINGS).container.resources.requests) == []
    mine = asking(requests=Resources(mem="1Gi"))
    assert entries(task_template(mine, with_default).container.resources.requests) == [(3, "1Gi")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resources": ALL, "requests": ALL}, "give either resources or requests and limits"),
        ({"resources": ALL, "limits": ALL}, "give either resources or requests and limits"),
        ({"requests": Resources(cpu=("1", "2"))}, r"requests takes single values; pairs \(request, limit\) belong in"),
        ({"secret_requests": ["token"]}, r"secret_requests holds 'token'. Write Secret\(group="),
    ],
)
def test_options_that_contradict_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError, match=message):
        asking(**options)


@given(st.from_regex(r"[1-9][0-9]{0,3}(\.[0-9]{1,3})?(m|k|M|Gi|Ti)?", fullmatch=True))
def test_a_kubernetes_quantity_is_accepted(quantity: str) -> None:
    assert Resources(cpu=quantity).cpu == quantity


@pytest.mark.parametrize("value", ["1 Gi", "one", "1GB", "", "-", "0x1", True, "1e", ("1", "x")])
def test_what_is_no_quantity_is_refused(value: Any) -> None:
    with pytest.raises(DefinitionError, match=r"Resources\(mem=.*not a Kubernetes quantity"):
        Resources(mem=value)


# -- secrets -----------------------------------------------------------------------------------------------------------


def test_secrets_become_the_security_context() -> None:
    made = asking(
        secret_requests=[
            Secret("group", "key", "v1", Secret.MountType.FILE),
            Secret(key="token", mount_requirement=Secret.MountType.ENV_VAR, env_var="MY_TOKEN"),
        ]
    )
    first, second = task_template(made, SETTINGS).security_context.secrets
    assert (first.group, first.key, first.group_version, first.mount_requirement) == ("group", "key", "v1", 2)
    assert (second.group, second.key, second.mount_requirement, second.env_var) == ("", "token", 1, "MY_TOKEN")


def test_a_security_context_that_is_given_wins() -> None:
    given_context = idl.security.SecurityContext(run_as=idl.security.Identity(iam_role="role"))
    made = asking(security_ctx=given_context, secret_requests=[Secret("group", "key")])
    assert task_template(made, SETTINGS).security_context == given_context


def test_an_empty_security_context_is_absent() -> None:
    assert not task_template(plain, SETTINGS).HasField("security_context")
    made = asking(security_ctx=idl.security.SecurityContext())
    assert not task_template(made, SETTINGS).HasField("security_context")


@pytest.mark.parametrize("name", ["my_token", "1TOKEN", "MY-TOKEN", ""])
def test_a_variable_name_that_no_shell_takes_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError, match="capital letters, digits and _ only"):
        Secret("group", "key", env_var=name)


def test_a_secret_needs_a_name() -> None:
    with pytest.raises(DefinitionError, match="name a group, a key or both"):
        Secret()


# -- accelerators and shared memory ------------------------------------------------------------------------------------


def test_an_accelerator_and_shared_memory() -> None:
    made = task_template(asking(accelerator="nvidia-tesla-a100", shared_memory="2Gi"), SETTINGS).extended_resources
    assert made.gpu_accelerator.device == "nvidia-tesla-a100"
    assert (made.shared_memory.mount_name, made.shared_memory.mount_path, made.shared_memory.size_limit) == (
        "flyte-shared-memory",
        "/dev/shm",
        "2Gi",
    )
    default = task_template(asking(shared_memory=True), SETTINGS).extended_resources
    assert default.shared_memory.size_limit == ""
    assert not default.HasField("gpu_accelerator")


def test_a_partitioned_accelerator_is_passed_on() -> None:
    message = idl.tasks.GPUAccelerator(device="nvidia-tesla-a100", partition_size="1g.5gb")
    assert task_template(asking(accelerator=message), SETTINGS).extended_resources.gpu_accelerator == message


@pytest.mark.parametrize("options", [{}, {"shared_memory": False}])
def test_no_extended_resources_when_none_are_asked_for(options: dict[str, Any]) -> None:
    assert not task_template(asking(**options), SETTINGS).HasField("extended_resources")


# -- pods --------------------------------------------------------------------------------------------------------------


def pod_of(template: PodTemplate, **options: Any) -> tuple[dict[str, Any], idl.tasks.TaskTemplate]:
    message = task_template(asking(pod_template=template, **options), SETTINGS)
    return idl.json_format.MessageToDict(message.k8s_pod.pod_spec), message


def test_a_pod_template_replaces_the_container() -> None:
    spec, message = pod_of(PodTemplate(labels={"l": "1"}, annotations={"a": "2"}), environment={"B": "task"})
    assert message.WhichOneof("target") == "k8s_pod"
    assert dict(message.k8s_pod.metadata.labels) == {"l": "1"}
    assert dict(message.k8s_pod.metadata.annotations) == {"a": "2"}
    assert message.k8s_pod.primary_container_name == ""
    assert dict(message.config) == {"primary_container_name": "primary"}
    (container,) = spec["containers"]
    assert container["name"] == "primary"
    assert container["image"] == "example.org/base:v1"
    assert container["args"][0] == "fledge-execute"
    assert {"name": "B", "value": "task"} in container["env"]
    assert "resources" not in container


def test_the_primary_container_keeps_what_is_its_own() -> None:
    template = PodTemplate(
        {
            "nodeSelector": {"zone": "a"},
            "containers": [
                {"name": "side", "image": "{{.image.train}}"},
                {"name": "main", "image": "example.org/own:v1", "env": [{"name": "OWN", "value": "1"}], "tty": True},
            ],
        },
        primary_container_name="main",
    )
    spec, message = pod_of(template, requests=Resources(cpu="1"), limits=Resources(mem="2Gi"))
    side, main = spec["containers"]
    assert spec["nodeSelector"] == {"zone": "a"}
    assert side == {"name": "side", "image": "example.org/train:v2"}
    assert (main["image"], main["tty"]) == ("example.org/own:v1", True)
    assert [one["name"] for one in main["env"]] == ["A", "B", "FLEDGE_SERIALIZED_WITH", "OWN"]
    assert main["resources"] == {"requests": {"cpu": "1"}, "limits": {"memory": "2Gi"}}
    assert message.config["primary_container_name"] == "main"


def test_the_template_that_was_given_stays_as_it_was() -> None:
    spec = {"containers": [{"name": "primary", "image": "x"}]}
    pod_of(PodTemplate(spec))
    assert spec == {"containers": [{"name": "primary", "image": "x"}]}


# -- metadata that a container task takes as arguments -----------------------------------------------------------------


def test_arguments_about_pods_win_over_the_metadata_and_change_nothing_when_not_given() -> None:
    metadata = TaskMetadata(pod_template_name="from metadata", labels={"l": "m"}, retries=2)
    assert asking(metadata=metadata).metadata is metadata
    made = asking(metadata=metadata, pod_template_name="argument", labels={"l": "a"}, annotations={"n": "a"})
    assert made.metadata == TaskMetadata(
        pod_template_name="argument", labels={"l": "a"}, annotations={"n": "a"}, retries=2
    )
    assert metadata.pod_template_name == "from metadata"


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"requests": {"cpu": "1"}}, r"requests=\{'cpu': '1'\} must be Resources"),
        ({"environment": {"A": 1}}, r"environment=\{'A': 1\}: 1 must be text. Write '1'"),
        ({"environment": {1: "a"}}, "1 must be text"),
        ({"environment": "A=1"}, "environment='A=1': give a dict of texts: {'NAME': 'value'}"),
        ({"labels": {"a": 1}}, "task [a-z._]+: labels={'a': 1}: 1 must be text"),
        ({"environment": {"A=B": "a"}}, "'A=B' cannot be the name of a variable"),
        ({"container_image": 3}, "container_image=3 names no image"),
        (
            {"requests": Resources(cpu="1"), "limits": Resources(cpu="500m")},
            "it requests cpu='1', above the limit of '500m'",
        ),
        ({"resources": Resources(mem=("2Gi", "2G"))}, "it requests mem='2Gi', above the limit of '2G'"),
    ],
    ids=[
        "dict",
        "number in the environment",
        "number as a name",
        "text",
        "labels",
        "name with =",
        "image",
        "limit",
        "pair",
    ],
)
def test_an_option_that_no_container_can_have_is_refused_when_the_task_is_defined(
    options: dict[str, Any], match: str
) -> None:
    with pytest.raises(DefinitionError, match=match):
        asking(**options)


def test_a_misspelt_resource_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DefinitionError, match=r"Resources\(memory=\.\.\.\).*did you mean 'mem'"):
        Resources(memory="1Gi")  # type: ignore[call-arg] # the mistake


def test_a_misspelt_option_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(DefinitionError, match="unknown argument 'enviroment'; did you mean 'environment'"):
        asking(enviroment={})
    with pytest.raises(DefinitionError, match=r"unknown argument 'retires'"):

        @task(retires=3)  # type: ignore[call-overload, untyped-decorator] # the mistake under test
        def function(a: int) -> int:
            return a
