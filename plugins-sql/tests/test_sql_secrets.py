"""Values of secret inputs are in no error of the engine, whatever form it quotes them in."""

from __future__ import annotations

from typing import Annotated, Any

import pytest

from fledge import Secret, kwtypes
from fledge_sql import DuckDBTask, QueryError


@pytest.mark.parametrize(
    ("kind", "value", "query"),
    [
        pytest.param(Annotated[str, Secret(key="p")], "hunter\n  2", "cast($p as int)", id="of two lines"),
        pytest.param(Annotated[str, Secret(key="p")], "hunter", "cast($p[:5] as int)", id="cut"),
        pytest.param(Annotated[list[str], Secret(key="p")], ["hunter"], "cast($p[1] as int)", id="in a list"),
        pytest.param(Annotated[bytes, Secret(key="p")], b"hunte\xff", "cast($p::varchar as int)", id="bytes"),
        pytest.param(Annotated[int, Secret(key="p")], 31337, "cast($p as tinyint)", id="a number"),
        pytest.param(Annotated[str, Secret(key="p")] | None, "hunter", "cast($p as int)", id="optional"),
        pytest.param(Annotated[str | None, Secret(key="p")], "hunter", "cast($p as int)", id="optional inside"),
    ],
)
def test_a_secret_is_in_no_error_in_any_form(kind: Any, value: object, query: str) -> None:
    run = DuckDBTask("secret_form", f"select {query}", kwtypes(p=kind), kwtypes(n=int))
    with pytest.raises(QueryError) as caught:
        run.execute(p=value)
    assert "hunte" not in str(caught.value)
    assert "31337" not in str(caught.value)
    assert (caught.value.engine_error, caught.value.line) in [("Conversion", 1), ("Conversion", 0)]
