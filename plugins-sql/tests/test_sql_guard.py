"""Nothing but one query over declared inputs gets through, on every installed version of DuckDB."""

from __future__ import annotations

import pyarrow as pa
import pytest

from fledge import kwtypes
from fledge_sql.checking import check_query
from fledge_sql.engine import EngineError, open_cursor
from fledge_sql.errors import ReadOnlyError, SQLDefinitionError
from fledge_sql.guard import EFFECTS

TABLE = kwtypes(t=pa.Table)

REFUSED = {
    "drop": "drop table t",
    "delete": "delete from t",
    "insert": "insert into t values (1)",
    "update": "update t set a = 1",
    "merge": "merge into t using t as s on t.a = s.a when matched then delete",
    "create": "create table x as select * from t",
    "create view": "create view x as select * from t",
    "create macro": "create macro f() as 1",
    "alter": "alter table t add column b int",
    "truncate": "truncate t",
    "copy to": "copy t to '/tmp/fledge-never.csv'",
    "copy query": "copy (select * from t) to '/tmp/fledge-never.csv'",
    "copy from": "copy t from '/etc/passwd'",
    "export": "export database '/tmp/fledge-never'",
    "attach": "attach '/tmp/fledge-never.db' as x",
    "use": "use memory",
    "set": "set threads = 1",
    "set variable": "set variable x = 1",
    "reset": "reset threads",
    "pragma": "pragma database_list",
    "call": "call pragma_version()",
    "checkpoint": "checkpoint",
    "vacuum": "vacuum",
    "install": "install httpfs",
    "load": "load json",
    "begin": "begin transaction",
    "prepare": "prepare p as select * from t",
    "execute": "execute p",
    "explain": "explain select * from t",
    "explain analyze delete": "explain analyze delete from t",
    "show tables": "show tables",
    "second statement": "select * from t; select 1",
    "second statement in disguise": "select * from t /* ; */ ; drop table t -- '",
    "nested comment ends later": "select * from t /* /* */ */; delete from t",
    "dollar quote ends": "select $$ ; $$ from t; delete from t",
    "modifying cte": "with x as (delete from t returning *) select * from x, t",
    "modifying cte inside": (
        "select * from t where a in (with x as (insert into t values (1) returning a) select a from x)"
    ),
    "update cte": "with x as (update t set a = 1 returning *) select * from x, t",
    "read_text": "select * from t, read_text('/etc/passwd')",
    "read_csv": "select * from t, read_csv('/etc/passwd')",
    "read_parquet": "select * from t, read_parquet('/tmp/x.parquet')",
    "glob": "select * from t, glob('/*')",
    "query": "select * from t, query('select 1')",
    "query_table": "select * from t, query_table('t')",
    "json_execute": "select * from t, json_execute_serialized_sql('{}')",
    "settings": "select * from t, duckdb_settings()",
    "secrets": "select * from t, duckdb_secrets()",
    "arrow pointer": "select * from t, arrow_scan(1, 2, 3)",
    "checkpoint function": "select * from t, force_checkpoint()",
    "logging": "select * from t, enable_logging()",
    "table function in a subquery": "select (select content from read_text('/etc/passwd')) from t",
    "table function in a cte": "with x as (from read_blob('/etc/passwd')) select * from x, t",
    "table function in lateral": "select * from t, lateral (select * from glob('/*'))",
    "file name as table": "select * from '/etc/passwd', t",
    "file name quoted": 'select * from "/tmp/x.parquet", t',
    "catalog view": "select * from t, duckdb_tables",
    "information schema": "select * from t, information_schema.tables",
    "pg catalog": "select * from t, pg_catalog.pg_class",
    "qualified input": "select * from memory.main.t",
    "cte hides a catalog view only in its scope": (
        "select * from (with duckdb_tables as (select 1) select * from duckdb_tables) x, duckdb_tables, t"
    ),
    "nextval": "select nextval('s') from t",
    "nextval qualified": "select main.nextval('s') from t",
    "setseed": "select setseed(0.5) from t",
    "write_log": "select write_log('x') from t",
    "dynamic pivot": "pivot t on a using count(*)",
    "undeclared table": "select * from t, u",
}

ALLOWED = {
    "select": "select * from t",
    "from first": "from t",
    "values": "select * from (values (1), (2)) v(a), t",
    "union": "select * from t union all select * from t",
    "cte": "with x as (select * from t) select * from x",
    "cte of the same name": "with t as (select * from t) select * from t",
    "recursive cte": "with recursive r as (select 1 a union all select a + 1 from r where a < 5) select * from r, t",
    "later cte reads earlier": "with x as (from t), y as (from x) from y",
    "describe": "describe t",
    "summarize": "summarize t",
    "static pivot": "from t pivot (count(*) for a in (1, 2))",
    "unpivot": "from t unpivot (v for n in (a))",
    "range": "select * from t, range(3)",
    "unnest": "select * from t, unnest([1, 2])",
    "lateral": "select * from t, lateral (select t.a + 1)",
    "json_each": "select * from t, json_each('[1]')",
    "window": "select row_number() over (order by a) from t",
    "qualify": "select a from t qualify row_number() over (order by a) = 1",
    "sample": "select * from t using sample 10 rows",
    "trailing semicolon": "select * from t;",
    "trailing comment": "select * from t; -- drop table t",
    "leading comment": "-- drop table t\nselect * from t",
    "words in literals": "select 'drop table t; delete from t' from t",
    "case does not matter": "select * from T",
    "asof": "select * from t asof join t u on t.a >= u.a",
    "list lambda": "select list_transform([1, 2], lambda x: x + 1) from t",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_query_that_could_change_or_reach_something_is_refused(name: str) -> None:
    with pytest.raises(SQLDefinitionError) as caught:
        check_query(REFUSED[name], TABLE)
    assert caught.value.line >= 1


@pytest.mark.parametrize("name", ALLOWED)
def test_a_query_that_only_reads_its_inputs_passes(name: str) -> None:
    check_query(ALLOWED[name], TABLE)


@pytest.mark.parametrize(
    "statement",
    [
        "select * from read_text('/etc/hostname')",
        "copy (select 1) to '/tmp/fledge-never.csv'",
        "attach '/tmp/fledge-never.db' as x",
        "install httpfs",
        "set enable_external_access = true",
        "set threads = 1",
        "set lock_configuration = false",
        "select * from a_variable_of_the_caller",
    ],
)
def test_the_database_refuses_by_its_settings_what_the_text_guards_would_have_let_through(statement: str) -> None:
    a_variable_of_the_caller = pa.table({"a": [1]})
    assert a_variable_of_the_caller.num_rows == 1
    with open_cursor() as cursor, pytest.raises(EngineError):
        cursor.run(statement)


# What DuckDB calls volatile: another value each time, or an effect. The first are harmless to read.
HARMLESS = {
    *(
        "current_connection_id",
        "current_query",
        "current_query_id",
        "current_transaction_id",
        "error",
        "gen_random_uuid",
    ),
    *("random", "sleep_ms", "stats", "uuid", "uuidv4", "uuidv7", "vector_type"),
}


def test_every_function_with_an_effect_that_this_duckdb_has_is_refused() -> None:
    with open_cursor() as cursor:
        query = "select distinct function_name from duckdb_functions() where stability = 'VOLATILE' or has_side_effects"
        volatile = {row[0] for row in cursor.run(query)}
    assert volatile - HARMLESS <= EFFECTS
    for name in volatile - HARMLESS:
        with pytest.raises(ReadOnlyError, match=rf"function {name}\(\) changes or reads state"):
            check_query(f"select {name}('a') from t", TABLE)


def test_a_refusal_names_the_place_and_the_way_out() -> None:
    with pytest.raises(ReadOnlyError, match="FlyteFile") as caught:
        check_query("select *\nfrom t, read_parquet('x.parquet')", TABLE)
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_a_second_statement_is_shown() -> None:
    with pytest.raises(ReadOnlyError, match="2 statements") as caught:
        check_query("select ';' from t;\n  delete from t", TABLE)
    assert (caught.value.line, caught.value.column) == (2, 3)


def test_an_undeclared_table_gets_the_nearest_name() -> None:
    with pytest.raises(ReadOnlyError, match="did you mean 'flights'") as caught:
        check_query("select * from flihgts", kwtypes(flights=pa.Table))
    assert (caught.value.line, caught.value.column) == (1, 15)


def test_guard_off_lets_a_reading_function_pass_the_check() -> None:
    checked = check_query("select * from t, duckdb_settings()", TABLE, guard=False)
    assert checked.uses == ()
