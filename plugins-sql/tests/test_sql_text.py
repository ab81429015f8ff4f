"""The scanner of placeholders: what counts, what is text, and that everything else keeps its bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge_sql.errors import SQLDefinitionError
from fledge_sql.text import bind, foreign_use, line_column, placeholder_names, scan

# Texts that hold what looks like a parameter and is none.
QUIET = [
    "'$a'",
    "'it''s $a'",
    "e'\\'$a'",
    "E'\\\\'",
    '"$a"',
    '"a""$a"',
    "-- $a {{ .inputs.a }}\n",
    "-- $a\r",
    "/* $a */",
    "/* /* $a */ {{ .inputs.a }} */",
    "$$ $a {{ .inputs.a }} $$",
    "$tag$ $a $$ $tag$",
    "col$a",
    "'?'",
    "-- ?\n",
    "$$?$$",
    "'{{ .other }}'",
    "MAP {{'a': 1}: 2}",
    "1e5",
    "t.x::date",
    "'a'\n'$b'",
    "x'61'",
]
# Texts in which `a` is a parameter.
LOUD = ["$a", "{{ .inputs.a }}", "{{.inputs.a}}", "'{{ .inputs.a }}'", "'x {{ .inputs.a }} y'", "e'\\n{{ .inputs.a }}'"]


@pytest.mark.parametrize("text", QUIET)
def test_text_that_only_looks_like_a_parameter_is_text(text: str) -> None:
    assert scan(f"select {text} ") == ()


@pytest.mark.parametrize("text", LOUD)
def test_a_placeholder_counts(text: str) -> None:
    assert placeholder_names(scan(f"select {text} ")) == ["a"]


@given(st.lists(st.sampled_from([*QUIET, *LOUD, "select", ",", " ", "\n", "(", ")", ";", "é", "日本"]), max_size=12))
def test_every_byte_of_the_author_stays_but_for_the_placeholders(pieces: list[str]) -> None:
    text = " , ".join(pieces)
    placeholders = scan(text)
    bound = bind(text, placeholders, lambda placeholder: f"<{placeholder.start}>")
    restored = bound.sql
    for placeholder in reversed(placeholders):
        restored = restored.replace(f"<{placeholder.start}>", text[placeholder.start : placeholder.end], 1)
    assert restored == text
    assert sum(piece in LOUD for piece in pieces) == len(placeholders)


@given(st.lists(st.sampled_from([*QUIET, *LOUD, ",", "\n", "é"]), min_size=1, max_size=10), st.data())
def test_a_position_in_the_bound_text_maps_back_to_the_authors(pieces: list[str], data: st.DataObject) -> None:
    text = " , ".join(pieces)
    bound = bind(text, scan(text), lambda placeholder: "CAST(x)")
    position = data.draw(st.integers(0, max(len(bound.sql) - 1, 0)))
    back = bound.author_position(position)
    if bound.is_placeholder(position):
        assert any(placeholder.start == back for placeholder in scan(text))
    else:
        assert text[back] == bound.sql[position]


@given(st.text(max_size=60))
def test_any_text_is_scanned_or_refused_with_a_place_in_it(text: str) -> None:
    try:
        placeholders = scan(text)
    except SQLDefinitionError as exc:
        assert 1 <= exc.line <= text.count("\n") + 1 and exc.column >= 1  # noqa: PT017, PT018 - it need not raise
    else:
        assert bind(text, (), lambda _: "").sql == text
        assert all(text[one.at :].startswith(("$", "{{")) for one in placeholders)


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("select ?", 1, 8, "positional parameter"),
        ("select\n  $1", 2, 3, "positional parameter"),
        ('select "{{ .inputs.a }}"', 1, 9, "quoted identifier"),
        ("select 'abc", 1, 8, "string that begins here"),
        ("select /* a /* b */", 1, 8, "comment that begins here"),
        ('select "abc', 1, 8, "quoted identifier that begins here"),
        ("select $x$ abc", 1, 8, "dollar quote"),
        ("select {{ .inputs.a-b }}", 1, 8, "not {{ .inputs.name }}"),
        ("select {{ .input }}", 1, 8, "not {{ .inputs.name }}"),
        ("select 'a {{ .inputs. }}'", 1, 11, "not {{ .inputs.name }}"),
        ("select e'a'\n'b'", 1, 12, "goes on in the next line"),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(text: str, line: int, column: int, words: str) -> None:
    with pytest.raises(SQLDefinitionError, match=words) as caught:
        scan(text)
    assert (caught.value.line, caught.value.column) == (line, column)


@pytest.mark.parametrize(
    ("text", "cast", "list_of"),
    [
        ("date $a", "date", ""),
        ("TIMESTAMP '{{ .inputs.a }}'", "TIMESTAMP", ""),
        ("interval '{{ .inputs.a }} days'", "interval", ""),
        ("interval $a day", "", ""),
        ("t.date $a", "", ""),
        ("x in $a", "", "in"),
        ("x IN ($a)", "", "in ("),
        ("x in ($a, 1)", "", ""),
        ("f($a)", "", ""),
        ("x in /* c */ ( -- d\n $a )", "", "in ("),
    ],
)
def test_what_stands_around_a_placeholder_is_known(text: str, cast: str, list_of: str) -> None:
    (found,) = scan(f"select {text}")
    assert (found.cast, found.list_of) == (cast, list_of)


def test_a_literal_with_placeholders_is_taken_apart() -> None:
    (found,) = scan("select 'it''s {{ .inputs.a }} and {{ .inputs.b }}'")
    assert found.literal == ("it''s ", "a", " and ", "b", "")
    assert found.names == ("a", "b")


def test_lines_and_columns_count_from_one() -> None:
    assert [line_column("ab\ncd", position) for position in (0, 1, 3, 4)] == [(1, 1), (1, 2), (2, 1), (2, 2)]


@pytest.mark.parametrize("before", ["", "1 = ", "true and ", "f(", "1, ", "not\n", "1 -- :x\n = ", "':x' = ", "1 %"])
@pytest.mark.parametrize("form", [":x", "%(x)s", "%(x)d", "{x}", "{ x }", "${x}", "{{ x }}", "{{x}}", "{{ params.x }}"])
def test_an_input_as_another_tool_writes_it_is_found(before: str, form: str) -> None:
    text = f"select {before}{form} "
    assert foreign_use(text, "x") == (text.rindex(form), form)


@pytest.mark.parametrize(
    "text",
    [
        *("':x'", "'{x}'", "e'%(x)s'", '":x"', "$$ {{ x }} $$", "-- :x", "/* {x} */ 1"),
        *("a::x", "a ::x", "1::x", "a[1:x]", "a[:x]", "a[b :x]", "{'a':x}", "{'a': x}", "{x: 1}", "{'x': 1}", "b:x"),
        *(
            "a %(x)s",
            "a%(x)s",
            "f(x := 1)",
            "MAP {x: 1}",
            "MAP {{'a': 1}: x}",
            ":xy",
            "{xy}",
            "{{ y }}",
            "%(y)s",
            ":x$",
        ),
        *("x", "x in [x]", ": x"),
    ],
)
def test_what_sql_itself_writes_so_is_not_taken_for_another_tools(text: str) -> None:
    assert foreign_use(f"select {text}", "x") is None
