"""The way out for annotations that have no transformer: the nearest supported type, or the plugin to install."""

from __future__ import annotations

import typing
from typing import Any, get_args

from fledge.lazy import lazy
from fledge.types.hints import class_of

if typing.TYPE_CHECKING:
    from fledge import providers
    from fledge.types.kinds import Annotation
else:
    providers = lazy("fledge.providers")

__all__ = ["way_out"]

_HINTS = {
    "builtins.list": "Say what is in it, as list[int]",
    "builtins.tuple": "Use list[...], or a NamedTuple or a dataclass with a name for each field",
    "builtins.set": "Use list[...]",
    "builtins.frozenset": "Use list[...]",
    "builtins.object": "Name the type of the value; dict takes free-form data",
    "builtins.complex": "Use a dataclass with two floats",
    "collections.OrderedDict": "Use dict[str, ...]",
    "collections.defaultdict": "Use dict[str, ...]",
    "os.PathLike": "Use FlyteFile or FlyteDirectory",
    "pyarrow._dataset.Dataset": "Use pa.Table, or FlyteDirectory for parquet files",  # no plugin has it
    "pathlib.Path": "Use FlyteFile or FlyteDirectory",
    "pathlib._local.Path": "Use FlyteFile or FlyteDirectory",  # its place in Python 3.13
    "fledge.types.datasets.StructuredDataset": "pip install fledge-dataframes",
    "typing.TextIO": "Use FlyteFile",
    "typing.BinaryIO": "Use FlyteFile",
}
_PICKLED = "Annotated[..., Pickled] pickles values, if you accept what pickle means"


def way_out(annotation: Annotation) -> str:
    """One or two sentences for the end of the message."""
    if annotation is Any:
        return "Name the type of the value; dict takes free-form data"
    if isinstance(annotation, typing.TypeVar):
        return f"Say what {annotation.__name__} is, as in Box[int]"
    origin = class_of(annotation)
    for cls in getattr(origin, "__mro__", (origin,)):
        module = getattr(cls, "__module__", "")
        hint = _HINTS.get(f"{module}.{getattr(cls, '__qualname__', '')}")
        if hint and (cls is origin or cls is not object):
            return hint
        plugin = providers.FOR_TYPES.get(module.partition(".")[0])
        if plugin:
            return f"pip install {plugin}"
    if getattr(origin, "__module__", "") == "collections.abc":
        return "Use list[...] or dict[str, ...]"
    if isinstance(origin, type) or get_args(annotation):
        return f"Make it a dataclass, or register a TypeTransformer for it. {_PICKLED}"
    return f"It is not a type. {_PICKLED}"
