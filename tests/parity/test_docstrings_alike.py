"""Docstrings in the three styles, generated: fledge reads in them what flytekit reads."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fledge.docstrings import Docstring
from tests.parity.comparing import FLYTEKIT

NAMES = st.lists(st.sampled_from(["a", "b", "rows", "when"]), unique=True, max_size=3)
WORDS = st.text("abc é.,()-", min_size=1, max_size=12).map(str.strip).filter(bool)
TEXTS = st.lists(WORDS.filter(lambda text: text[0].isalpha()), min_size=1, max_size=3)
TYPES = st.sampled_from(["", "int", "str, optional", "dict[str, int]"])
INDENT = "    "


def below(lines: list[str], indent: str) -> str:
    """The first line stands where it is; the others are indented below it."""
    return f"\n{indent}".join(lines)


@st.composite
def docstrings(draw: st.DrawFn) -> str:
    style = draw(st.sampled_from(["google", "numpy", "rest"]))
    inputs = [(name, draw(TYPES), draw(TEXTS)) for name in draw(NAMES)]
    returned = draw(st.none() | st.tuples(TYPES, TEXTS))
    parts = [draw(WORDS.filter(lambda text: text[0].isalpha()))]
    parts += [below(lines, "") for lines in draw(st.lists(TEXTS, max_size=2))]
    if style == "rest":
        fields = [f":param {name}: {below(lines, INDENT)}" for name, _, lines in inputs]
        fields += [f":return: {below(returned[1], INDENT)}"] if returned else []
        parts += ["\n".join(fields)] if fields else []
    elif style == "google":
        entries = [
            f"{INDENT}{name}{f' ({kind})' if kind else ''}: {below(lines, INDENT * 2)}" for name, kind, lines in inputs
        ]
        parts += ["\n".join(["Args:", *entries])] if entries else []
        parts += [f"Returns:\n{INDENT}{below(returned[1], INDENT)}"] if returned else []
    else:
        entries = [
            f"{name}{f' : {kind}' if kind else ''}\n{INDENT}{below(lines, INDENT)}" for name, kind, lines in inputs
        ]
        parts += ["\n".join(["Parameters", "----------", *entries])] if entries else []
        parts += [f"Returns\n-------\n{returned[0] or 'int'}\n{INDENT}{below(returned[1], INDENT)}"] if returned else []
    return "\n\n".join(parts)


@given(docstrings())
def test_both_read_the_same_in_a_docstring(text: str) -> None:
    with FLYTEKIT.quiet():
        from flytekit.core.docstring import Docstring as Theirs

        theirs = Theirs(text)
    ours = Docstring.parse(text)
    assert (ours.short_description or None, ours.long_description or None) == (
        theirs.short_description,
        theirs.long_description,
    )
    assert dict(ours.inputs) == {name: words or "" for name, words in theirs.input_descriptions.items()}
    assert dict(ours.returns) == {name or "": words or "" for name, words in theirs.output_descriptions.items()}
