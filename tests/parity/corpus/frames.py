"""Programs about tables: the types of frames, with and without columns and format. What they hold is another test's."""

from __future__ import annotations

from typing import Annotated, NamedTuple

import pandas as pd
import pyarrow as pa

from fledge import StructuredDataset, kwtypes, task

Columns = kwtypes(carrier=str, delay=float, flights=int)


class Split(NamedTuple):
    train: pd.DataFrame
    test: pd.DataFrame


@task
def frame(df: pd.DataFrame) -> pd.DataFrame:
    return df


@task
def arrow_table(table: pa.Table) -> pa.Table:
    return table


@task
def frame_with_columns(df: Annotated[pd.DataFrame, Columns]) -> Annotated[pd.DataFrame, Columns]:
    return df


@task
def table_with_columns(table: Annotated[pa.Table, Columns]) -> int:
    return int(table.num_rows)


@task
def frame_with_format(df: Annotated[pd.DataFrame, "parquet"]) -> int:
    return len(df)


@task
def frame_with_both(df: Annotated[pd.DataFrame, Columns, "parquet"]) -> int:
    return len(df)


@task
def frame_with_arrow_schema(df: Annotated[pd.DataFrame, pa.schema([("a", pa.int64()), ("b", pa.string())])]) -> int:
    return len(df)


@task
def dataset(ds: StructuredDataset) -> int:
    return 0


@task
def dataset_with_columns(ds: Annotated[StructuredDataset, Columns]) -> int:
    return 0


@task
def list_of_frames(dfs: list[pd.DataFrame]) -> int:
    return len(dfs)


@task
def frames_by_name(dfs: dict[str, pa.Table]) -> int:
    return len(dfs)


@task
def optional_frame(df: pd.DataFrame | None = None) -> int:
    return 0


@task
def two_frames(df: pd.DataFrame) -> Split:
    return Split(df, df)


@task
def totals(df: pd.DataFrame, table: pa.Table) -> str:
    return f"{list(df.columns)} {df['delay'].sum():g} {table.column_names} {table.num_rows} {table.schema.types}"


@task
def doubled(df: pd.DataFrame) -> pd.DataFrame:
    return df.assign(delay=df["delay"] * 2)
