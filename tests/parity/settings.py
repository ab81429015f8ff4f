"""The settings the corpus is serialized with, as plain data: each SDK makes its own objects of them."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["SETTINGS", "Deployment"]


@dataclass(frozen=True)
class Deployment:
    """What a team tells serialization. Images are (name, repository, tag, digest)."""

    default_image: tuple[str, str, str | None, str | None] = ("default", "ghcr.io/acme/base", "1.0", None)
    images: tuple[tuple[str, str, str | None, str | None], ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    default_resources: dict[str, str] | None = None
    fast: tuple[str | None, str | None] | None = None  # (destination_dir, distribution_location)


_DIGEST = "sha256:" + "0123456789abcdef" * 4

SETTINGS = {
    "plain": Deployment(),
    "fast": Deployment(
        images=(("gpu", "ghcr.io/acme/gpu", "2.1", None), ("pinned", "ghcr.io/acme/pinned", None, _DIGEST)),
        env={"STAGE": "production", "REGION": "eu-1"},
        fast=("/srv/code", "s3://bucket/fast/abc.tar.gz"),
    ),
    "open": Deployment(
        default_image=("default", "ghcr.io/acme/base", None, _DIGEST),
        images=(("gpu", "ghcr.io/acme/gpu", "2.1", None), ("pinned", "ghcr.io/acme/pinned", None, _DIGEST)),
        default_resources={"cpu": "500m", "mem": "256Mi"},
        fast=(None, None),
    ),
}
