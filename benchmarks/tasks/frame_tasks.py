"""A task that hands a table on, as a user writes it."""

from __future__ import annotations

import pyarrow as pa

from fledge import task

__all__ = ["same"]


@task
def same(table: pa.Table) -> pa.Table:
    return table
