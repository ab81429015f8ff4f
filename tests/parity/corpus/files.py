"""Programs about files and directories in a storage: what travels is a reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fledge import FlyteDirectory, FlyteFile, task
from tests.parity.calls import called_with


@dataclass
class Dataset:
    name: str
    data: FlyteFile


@called_with({"f": "s3://bucket/a.csv"}, {"f": FlyteFile("gs://bucket/b")})
@task
def file(f: FlyteFile) -> str:
    return "seen"


@called_with({"f": "s3://bucket/a.csv"})
@task
def file_with_extension(f: FlyteFile["csv"]) -> str:  # type: ignore[name-defined] # noqa: F821,UP037 - an extension, and no name
    return "seen"


@called_with({"fs": ["s3://bucket/a", "s3://bucket/b"]})
@task
def files(fs: list[FlyteFile]) -> int:
    return len(fs)


@called_with({"fs": {"a": "s3://bucket/a"}})
@task
def files_by_name(fs: dict[str, FlyteFile]) -> int:
    return len(fs)


@called_with({"f": None}, {"f": "s3://bucket/a"})
@task
def optional_file(f: FlyteFile | None = None) -> bool:
    return f is None


@called_with({"d": "s3://bucket/folder"}, {"d": FlyteDirectory("s3://bucket/folder/")})
@task
def directory(d: FlyteDirectory) -> str:
    return "seen"


@called_with({"d": "s3://bucket/folder"})
@task
def directory_with_extension(d: FlyteDirectory["csv"]) -> str:  # type: ignore[name-defined] # noqa: F821,UP037 - an extension, and no name
    return "seen"


@called_with({"ds": ["s3://bucket/folder"]})
@task
def directories(ds: list[FlyteDirectory]) -> int:
    return len(ds)


@called_with({"uri": "s3://bucket/out.csv"})
@task
def give_file(uri: str) -> FlyteFile:
    return FlyteFile(uri)


@called_with({"uri": "s3://bucket/out"})
@task
def give_directory(uri: str) -> FlyteDirectory:
    return FlyteDirectory(uri)


@called_with({"d": Dataset("n", FlyteFile("s3://bucket/a"))})
@task
def file_in_struct(d: Dataset) -> str:
    return d.name


@task
def contents(f: FlyteFile, d: FlyteDirectory) -> str:
    read = Path(f).read_text(encoding="utf-8")
    names = sorted(path.name for path in Path(d).rglob("*") if path.is_file())
    return f"{read} {names}"
