"""Writes golden/models.json: what flytekit makes of pydantic models. Run it where flytekit and pydantic are installed.

    python make_golden_models.py

`ANNOTATIONS`, `VALUES` and `handles` are shared with the test.
"""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from enum import Enum
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model

GOLDEN = Path(__file__).parent / "golden" / "models.json"
AT = datetime(2013, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc)
V = TypeVar("V")


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Point(BaseModel):
    """A place."""

    x: int
    y: float = 0.5


class Everything(BaseModel):
    i: int
    f: float = 1.5
    s: str = Field(default="x", description="a text", max_length=5)
    b: bool = True
    at: datetime = AT
    on: date = date(2013, 1, 2)
    took: timedelta = timedelta(seconds=90.5)
    colour: Colour = Colour.RED
    choice: Literal["a", "b"] = "a"
    many: list[Point] = []
    by_name: dict[str, int] = {}
    maybe: Point | None = None
    either: int | str = 1
    inner: Point = Point(x=1)
    deep: dict[str, list[Point]] = {}


class Aliased(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    count: int = Field(3, alias="numberOf", ge=0)


class Box(BaseModel, Generic[V]):
    value: V


class Derived(Point):
    z: int = 0


class Empty(BaseModel):
    pass


ANNOTATIONS: dict[str, Any] = {  # Any: annotations
    "point": Point,
    "everything": Everything,
    "aliased": Aliased,
    "generic": Box[int],
    "derived": Derived,
    "empty": Empty,
    "list": list[Point],
    "dict": dict[str, Point],
    "optional": Point | None,
}
VALUES: dict[str, tuple[str, Any]] = {  # Any: models
    "point": ("point", Point(x=1)),
    "everything by default": ("everything", Everything(i=1)),
    "everything": (
        "everything",
        Everything(
            i=-(2**63),
            f=-0.0,
            s="ä\0",
            b=False,
            on=date.min,
            took=timedelta(days=-1, microseconds=1),
            colour=Colour.BLUE,
            choice="b",
            many=[Point(x=2, y=3)],
            by_name={"k": 2**63 - 1},
            maybe=Point(x=0),
            either="1",
            deep={"": [Point(x=5)]},
        ),
    ),
    "aliased": ("aliased", Aliased(numberOf=4)),
    "generic": ("generic", Box[int](value=5)),
    "derived": ("derived", Derived(x=1, z=2)),
    "empty": ("empty", Empty()),
    "list": ("list", [Point(x=1), Point(x=2)]),
    "dict": ("dict", {"p": Point(x=1)}),
    "optional": ("optional", Point(x=1)),
    "optional none": ("optional", None),
}


def handles(file: Any, directory: Any, dataset: Any) -> tuple[type[BaseModel], BaseModel]:  # Any: either library's
    """A model of handles, of whichever library, and a value of it."""
    fields: dict[str, Any] = {  # Any: as pydantic takes them
        "file": file,
        "folder": directory,
        "data": dataset,
        "maybe": (file | None, None),
        "many": (list[file], []),
        "by_name": (dict[str, directory], {}),
    }
    model = create_model("Handles", **fields)
    value = model(
        file=file("s3://bucket/file"),
        folder=directory("s3://bucket/folder"),
        data=dataset(uri="s3://bucket/data", file_format="parquet"),
        many=[file("s3://bucket/1"), file("s3://bucket/2")],
        by_name={"a": directory("s3://bucket/a")},
    )
    return model, value


def without_descriptions(message: Any) -> Any:  # Any: a LiteralType message
    """The type without the docstrings of handle classes, which are each library's own."""
    for definition in message.metadata.fields["$defs"].struct_value.fields.values():
        definition.struct_value.fields.pop("description", None)
    return message


def main() -> None:
    from flytekit import FlyteDirectory, FlyteFile, StructuredDataset
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.type_engine import TypeEngine

    context = FlyteContextManager.current_context()
    model, value = handles(FlyteFile, FlyteDirectory, StructuredDataset)
    types = {name: TypeEngine.to_literal_type(kind) for name, kind in ANNOTATIONS.items()}
    handled = TypeEngine.to_literal_type(model)
    literals = {
        name: TypeEngine.to_literal(context, value, ANNOTATIONS[kind], types[kind])
        for name, (kind, value) in VALUES.items()
    }
    golden = {
        "types": {name: one.to_flyte_idl().SerializeToString(deterministic=True).hex() for name, one in types.items()},
        "literals": {
            name: one.to_flyte_idl().SerializeToString(deterministic=True).hex() for name, one in literals.items()
        },
    }
    golden["handles"] = {
        "type": without_descriptions(handled.to_flyte_idl()).SerializeToString(deterministic=True).hex(),
        "literal": TypeEngine.to_literal(context, value, model, handled)
        .to_flyte_idl()
        .SerializeToString(deterministic=True)
        .hex(),
    }
    GOLDEN.write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
