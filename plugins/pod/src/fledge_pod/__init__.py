"""Kubernetes pods around tasks: `PodTemplate` from kubernetes' models or JSON, checked, and merged with others."""

from __future__ import annotations

from fledge_pod.checking import PodSpecError, check_pod_spec
from fledge_pod.merging import merged
from fledge_pod.template import PodTemplate

__all__ = ["PodSpecError", "PodTemplate", "check_pod_spec", "merged"]
