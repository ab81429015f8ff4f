"""Which well-known package brings what, so that a message can say `pip install ...`. Only for messages.

What is not installed cannot speak for itself. Nothing is decided, loaded or preferred by these tables: a plugin that is
not in them works just as well.
"""

from __future__ import annotations

__all__ = ["FOR_CONFIGS", "FOR_SCHEMES", "FOR_TYPES"]

FOR_CONFIGS = {  # top-level module of a task_config's type
    "fledge_distributed": "fledge-distributed",
    "fledge_sql": "fledge-sql",
}
FOR_SCHEMES = {  # of a storage URI
    "abfs": "fledge-storage",
    "abfss": "fledge-storage",
    "az": "fledge-storage",
    "gs": "fledge-storage",
    "s3": "fledge-storage",
    "s3a": "fledge-storage",
}
FOR_TYPES = {  # top-level module of a Python type
    "pandas": "fledge-dataframes",
    "polars": "fledge-dataframes",
    "pyarrow": "fledge-dataframes",
    "pydantic": "fledge-pydantic",
}
