"""Events of SQL tasks in, OpenLineage run events out: schemas, column lineage and the query, by OpenLineage's client.

Where the events go is the client's own business, by its own variables: a file, a URL, a broker. One run is one attempt;
START and the event that ends it come from the same thread, which is how they find each other. Tables have no name
outside of their task, so their datasets are `<task>.<input>` and `<task>.<output>` in the job's namespace.
"""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from fledge._version import __version__
from fledge.errors import DefinitionError
from fledge.events import CacheHit, Failed, Finished, Retrying, Started, TaskEvent
from fledge_sql.duckdb_task import task_named
from fledge_sql.engine import engine_version
from fledge_sql.errors import QueryCancelled, SQLDefinitionError
from fledge_sql.lineages import HasQuery, column_lineage, columns_deciding

if TYPE_CHECKING:
    from openlineage.client import OpenLineageClient, event_v2, facet_v2
    from openlineage.client.generated.column_lineage_dataset import ColumnLineageDatasetFacet

    from fledge_sql.engine import Column
    from fledge_sql.schemas import DeclaredColumn

    _Datasets = tuple[list[event_v2.InputDataset], list[event_v2.OutputDataset]]

__all__ = ["run_event", "tell"]

PRODUCER = f"urn:fledge-sql:{__version__}"
DEFAULT_NAMESPACE = "fledge"
_open = threading.local()  # task name -> ids of this thread's runs, innermost last
_datasets: weakref.WeakKeyDictionary[HasQuery, _Datasets] = weakref.WeakKeyDictionary()


def tell(event: TaskEvent) -> None:
    """Send what an event of a SQL task means; other tasks' events mean nothing here.

    Raises:
        DefinitionError: A destination is configured, but the client is not installed.
    """
    task = task_named(event.task_name)
    if task is None or isinstance(event, CacheHit):
        return
    client = _client()
    runs: list[str] = vars(_open).setdefault(event.task_name, [])
    if isinstance(event, Started):
        from openlineage.client.uuid import generate_new_uuid  # noqa: PLC0415 - of the extra `lineage`

        runs.append(str(generate_new_uuid(event.at)))
        client.emit(run_event(task, event, runs[-1]))
    elif runs:
        client.emit(run_event(task, event, runs.pop()))


def run_event(task: HasQuery, event: TaskEvent, run_id: str) -> event_v2.RunEvent:
    """One event as the client's model of it."""
    from openlineage.client import event_v2, facet_v2  # noqa: PLC0415 - of the extra `lineage`

    inputs, outputs = _datasets_of(task)
    error = event.error if isinstance(event, Failed | Retrying) else None
    run_facets: dict[str, facet_v2.RunFacet] = {
        "processing_engine": facet_v2.processing_engine_run.ProcessingEngineRunFacet(
            engine_version(), "DuckDB", __version__, producer=PRODUCER
        )
    }
    if error is not None:
        run_facets["errorMessage"] = facet_v2.error_message_run.ErrorMessageRunFacet(
            f"{type(error).__name__}: {error}", "PYTHON", producer=PRODUCER
        )
    sql = facet_v2.sql_job.SQLJobFacet(task.checked.text, "duckdb", producer=PRODUCER)
    return event_v2.RunEvent(
        eventTime=event.at.isoformat(),
        eventType=event_v2.RunState[_state(event)],
        run=event_v2.Run(run_id, run_facets),
        job=event_v2.Job(_namespace(), task.name, {"sql": sql}),
        inputs=inputs,
        outputs=outputs,
        producer=PRODUCER,
    )


@functools.cache
def _client() -> OpenLineageClient:
    try:
        from openlineage.client import OpenLineageClient  # noqa: PLC0415 - of the extra `lineage`
    except ImportError as exc:
        raise DefinitionError(
            "a variable OPENLINEAGE_... says where lineage events go, but OpenLineage's client is not installed. "
            "Install fledge-sql[lineage], or unset the variable"
        ) from exc
    return OpenLineageClient()


def _namespace() -> str:
    return os.environ.get("OPENLINEAGE_NAMESPACE") or DEFAULT_NAMESPACE


def _state(event: TaskEvent) -> str:
    """A retried attempt has failed; what was told to stop has not."""
    if isinstance(event, Started):
        return "START"
    if isinstance(event, Finished):
        return "COMPLETE"
    if isinstance(event, Failed | Retrying):
        was_stopped = isinstance(event.error, QueryCancelled) or not isinstance(event.error, Exception)
        return "ABORT" if was_stopped else "FAIL"
    return "ABORT"  # Ignored: it has no outputs


def _datasets_of(task: HasQuery) -> _Datasets:
    """What a task reads and makes, worked out once: lineage takes some milliseconds."""
    known = _datasets.get(task)
    if known is None:
        known = _datasets[task] = (_inputs(task), _outputs(task))
    return known


def _inputs(task: HasQuery) -> list[event_v2.InputDataset]:
    from openlineage.client.event_v2 import InputDataset  # noqa: PLC0415 - of the extra `lineage`

    tables = [
        InputDataset(_namespace(), f"{task.name}.{name}", facets=_schema(table.columns))
        for name, table in task.checked.tables.items()
    ]
    return tables + [InputDataset("file", path) for path in _files(task, written=False)]


def _outputs(task: HasQuery) -> list[event_v2.OutputDataset]:
    from openlineage.client.event_v2 import OutputDataset  # noqa: PLC0415 - of the extra `lineage`

    files = [OutputDataset("file", path) for path in _files(task, written=True)]
    declared = task.checked.outputs
    if not declared:
        return files
    name = declared[0].name if len(declared) == 1 else "outputs"  # several are the columns of one row
    facets = _schema(task.checked.columns)
    with contextlib.suppress(SQLDefinitionError):  # a table that declares no columns: its lineage cannot be told
        facets["columnLineage"] = _lineage(task)
    return [OutputDataset(_namespace(), f"{task.name}.{name}", facets=facets), *files]


def _schema(columns: Sequence[Column | DeclaredColumn] | None) -> dict[str, facet_v2.DatasetFacet]:
    from openlineage.client.facet_v2 import schema_dataset  # noqa: PLC0415 - of the extra `lineage`

    if columns is None:
        return {}
    fields = [
        schema_dataset.SchemaDatasetFacetFields(column.name, column.sql_type, ordinal_position=place)
        for place, column in enumerate(columns, start=1)
    ]
    return {"schema": schema_dataset.SchemaDatasetFacet(fields, producer=PRODUCER)}


def _lineage(task: HasQuery) -> ColumnLineageDatasetFacet:
    from openlineage.client.facet_v2 import column_lineage_dataset  # noqa: PLC0415 - of the extra `lineage`

    def read(pairs: Iterable[tuple[str, str]], kind: str) -> list[column_lineage_dataset.InputField]:
        how = [column_lineage_dataset.Transformation(kind)]
        return [
            column_lineage_dataset.InputField(_namespace(), f"{task.name}.{table}", column, how)
            for table, column in sorted(pairs)
        ]

    return column_lineage_dataset.ColumnLineageDatasetFacet(
        {
            name: column_lineage_dataset.Fields(read(pairs, "DIRECT"))
            for name, pairs in column_lineage(task).items()
            if pairs
        },
        read(columns_deciding(task), "INDIRECT"),
        producer=PRODUCER,
    )


def _files(task: HasQuery, *, written: bool) -> list[str]:
    """The attached database files; one that an input brings is known to the run only."""
    access = task.checked.access
    names = {name.partition(".")[0].lower() for name in access.writes}
    return [
        os.path.abspath(path)
        for alias, path in access.databases.items()
        if path is not None and (alias.lower() in names) is written
    ]
