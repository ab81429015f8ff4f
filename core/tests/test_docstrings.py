"""Docstrings in the three styles in use; nothing ever fails."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge.docstrings import Docstring

GOOGLE = """
    Short text.

    Long text
    over two lines.

    Args:
        a: The first.
        b (int): The second,
            over two lines.

    Returns:
        int: The sum.

    Raises:
        ValueError: Never.
"""
NUMPY = """
    Short text.

    Long text
    over two lines.

    Parameters
    ----------
    a
        The first.
    b : int
        The second,
        over two lines.

    Returns
    -------
    int
        The sum.

    Raises
    ------
    ValueError
        Never.
"""
REST = """
    Short text.

    Long text
    over two lines.

    :param a: The first.
    :param int b: The second,
        over two lines.
    :returns: The sum.
    :raises ValueError: Never.
"""


@pytest.mark.parametrize("style", [GOOGLE, NUMPY, REST], ids=["google", "numpy", "rest"])
@pytest.mark.parametrize("indented", [True, False])
def test_the_styles_say_the_same(style: str, indented: bool) -> None:
    found = Docstring.parse(style if indented else textwrap.dedent(style))
    assert found.short_description == "Short text."
    assert found.long_description == "Long text\nover two lines."
    assert found.inputs["a"] == "The first."
    assert found.inputs["b"].split() == ["The", "second,", "over", "two", "lines."]
    assert found.output_text("o0") == "The sum."
    assert set(found.inputs) == {"a", "b"}


@pytest.mark.parametrize("text", [None, "", "   \n  "])
def test_no_docstring_says_nothing(text: str | None) -> None:
    assert Docstring.parse(text) == Docstring()


@pytest.mark.parametrize(
    ("text", "short", "long"),
    [
        ("One line.", "One line.", ""),
        ("First line\nsecond line.", "First line", "second line."),
        ("One.\n\nTwo.\n\nThree.", "One.", "Two.\n\nThree."),
    ],
)
def test_prose_alone_is_short_and_long(text: str, short: str, long: str) -> None:
    found = Docstring.parse(text)
    assert (found.short_description, found.long_description) == (short, long)
    assert found.inputs == {}


@given(st.text(alphabet=st.sampled_from("ab: \n-(),Args:ReturnsParameters:param\t")))
def test_no_text_makes_it_fail(text: str) -> None:
    found = Docstring.parse(text)
    assert isinstance(found.short_description, str)
    assert all(isinstance(value, str) for value in [*found.inputs.values(), *found.returns.values()])


def test_a_single_text_describes_every_output_and_named_ones_their_own() -> None:
    assert Docstring(returns={"": "both"}).output_text("x") == "both"
    named = Docstring(returns={"x": "first", "y": "second"})
    assert (named.output_text("x"), named.output_text("y"), named.output_text("z")) == ("first", "second", None)
