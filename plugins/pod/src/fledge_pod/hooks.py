"""The hook of this plugin: whoever made a task's pod, it is checked before a template is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fledge import idl
from fledge.hooks.spec import hookimpl
from fledge_pod.checking import check_pod_spec

if TYPE_CHECKING:
    from fledge.idl import tasks

__all__ = ["HOOK_API", "get_k8s_pod"]

HOOK_API = 1


@hookimpl
def get_k8s_pod(own: tasks.K8sPod | None) -> None:
    """Called when a task is serialized, with its merged pod. PodSpecError for a field Kubernetes does not know.

    The pod itself stays the task's own: there is no answer.
    """
    if own is not None:
        check_pod_spec(idl.json_format.MessageToDict(own.pod_spec))
