"""Writes golden/frames.json and golden/flytekit_*: what flytekit makes of frames. Run it where flytekit is installed.

    python make_golden_frames.py

`frame_types` and `values` are shared with the test, which hands in fledge's own `kwtypes` and `StructuredDataset`.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import make_dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import pyarrow as pa

GOLDEN = Path(__file__).parent / "golden"
AT = datetime(2013, 1, 2, 3, 4, 5)  # noqa: DTZ001 - frames may hold moments without a zone
URI = "/data/somewhere"
SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])
TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
ALL = pa.table(
    {
        "i": pa.array([1, None, -3], pa.int32()),
        "f": [0.5, None, 2.0],
        "s": ["x", "", None],
        "t": pa.array([AT, None, None], pa.timestamp("us")),
        "d": pa.array([1, 2, None], pa.decimal128(38, 0)),
        "l": [[1, 2], [], None],
        "m": [{"x": 1, "y": "p"}, None, {"x": 2, "y": "q"}],
    }
)
TEXTS = pd.DataFrame({"a": ["007", None, 'say "x",\ny'], "b": [1.5, None, -0.0], "c": [True, False, True]})

Inner = make_dataclass("Inner", [("x", int), ("y", str)])  # flytekit cannot read annotations that are strings


def frame_types(kwtypes: Any, dataset: Any) -> dict[str, Any]:  # Any: whichever library's
    """Name -> annotation."""
    return {
        "table": pa.Table,
        "pandas": pd.DataFrame,
        "dataset": dataset,
        "table columns": Annotated[pa.Table, kwtypes(a=int, b=str)],
        "table columns and format": Annotated[pa.Table, kwtypes(a=int), "parquet"],
        "table format": Annotated[pa.Table, "parquet"],
        "table schema": Annotated[pa.Table, SCHEMA],
        "table columns and schema": Annotated[pa.Table, kwtypes(a=int), SCHEMA],
        "pandas columns": Annotated[pd.DataFrame, kwtypes(a=int, b=str)],
        "pandas schema": Annotated[pd.DataFrame, SCHEMA],
        "dataset columns": Annotated[dataset, kwtypes(a=int)],
        "dataset format": Annotated[dataset, "parquet"],
        "dataset csv": Annotated[dataset, "csv"],
        "dataset csv columns": Annotated[dataset, kwtypes(a=int), "csv"],
        "dataset unknown format": Annotated[dataset, "feather"],
        "every kind": Annotated[
            dataset,
            kwtypes(
                i=int,
                f=float,
                s=str,
                b=bool,
                t=datetime,
                d=timedelta,
                many=list[int],
                by=dict[str, float],
            ),
        ],
        "numpy kinds": Annotated[
            dataset,
            kwtypes(
                i=np.int32,
                u=np.uint64,
                f=np.float32,
                b=np.bool_,
                s=np.str_,
                o=np.object_,
                y=np.bytes_,
                t=np.datetime64,
                d=np.timedelta64,
            ),
        ],
        "nested mapping": Annotated[dataset, {"a": int, "m": {"x": int, "y": str}}],
        "dataclass inside": Annotated[dataset, kwtypes(a=int, inner=Inner)],
        "list of tables": list[pa.Table],
        "optional table": pa.Table | None,
    }


def values(dataset: Any) -> dict[str, tuple[str, Any]]:  # Any: whichever library's
    """Name -> (name of the annotation, value)."""
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    return {
        "table": ("table", TABLE),
        "table columns": ("table columns", TABLE),
        "table columns and format": ("table columns and format", TABLE),
        "table schema": ("table schema", TABLE),
        "pandas": ("pandas", frame),
        "pandas columns": ("pandas columns", frame),
        "dataset of table": ("dataset", dataset(dataframe=TABLE)),
        "dataset of pandas": ("dataset columns", dataset(dataframe=frame)),
        "dataset of pandas as csv": ("dataset csv", dataset(dataframe=frame)),
        "dataset of pandas as csv, declared": ("dataset csv columns", dataset(dataframe=frame)),
        "dataset of uri of unknown format": ("dataset unknown format", dataset(uri="s3://bucket/key")),
        "dataset of uri": ("dataset", dataset(uri="s3://bucket/key", file_format="parquet")),
        "dataset of uri without format": ("dataset", dataset(uri="s3://bucket/key")),
        "dataset of uri, declared": ("dataset columns", dataset(uri="s3://bucket/key")),
        "dataset of uri, declared format": ("dataset format", dataset(uri="s3://bucket/key", file_format="csv")),
        "list of tables": ("list of tables", [TABLE, TABLE]),
        "optional table": ("optional table", TABLE),
        "optional none": ("optional table", None),
    }


def without_uris(literal: Any) -> Any:  # Any: a Literal message
    """The literal with every local URI replaced: those are random."""
    for inner in literal.collection.literals if literal.HasField("collection") else ():
        without_uris(inner)
    if literal.scalar.HasField("union"):
        without_uris(literal.scalar.union.value)
    if literal.scalar.HasField("structured_dataset") and "s3:" not in literal.scalar.structured_dataset.uri:
        literal.scalar.structured_dataset.uri = URI
    return literal


def main() -> None:
    from flytekit import StructuredDataset, kwtypes
    from flytekit.core.context_manager import FlyteContextManager
    from flytekit.core.type_engine import TypeEngine
    from flytekit.types.structured import lazy_import_structured_dataset_handler

    lazy_import_structured_dataset_handler()
    context, known = FlyteContextManager.current_context(), frame_types(kwtypes, StructuredDataset)
    types = {name: TypeEngine.to_literal_type(kind) for name, kind in known.items()}
    literals = {
        name: TypeEngine.to_literal(context, value, known[kind], types[kind]).to_flyte_idl()
        for name, (kind, value) in values(StructuredDataset).items()
    }
    labelled = pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=["p", "q"])
    for name, kind, value in (
        ("arrow", pa.Table, ALL),
        ("pandas", pd.DataFrame, labelled),
        ("csv", known["dataset csv"], StructuredDataset(dataframe=TEXTS)),
    ):
        written = TypeEngine.to_literal(context, value, kind, TypeEngine.to_literal_type(kind))
        shutil.rmtree(GOLDEN / f"flytekit_{name}", ignore_errors=True)
        shutil.copytree(written.scalar.structured_dataset.uri, GOLDEN / f"flytekit_{name}")
    golden = {
        "types": {
            name: message.to_flyte_idl().SerializeToString(deterministic=True).hex() for name, message in types.items()
        },
        "literals": {
            name: without_uris(one).SerializeToString(deterministic=True).hex() for name, one in literals.items()
        },
    }
    (GOLDEN / "frames.json").write_text(json.dumps(golden, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
