"""Programs about docstrings in the three styles, and explicit documentation."""

from __future__ import annotations

from fledge import Documentation, task


@task
def bare(a: int) -> int:
    return a


@task
def one_line(a: int) -> int:
    """Give it back."""
    return a


@task
def no_period(a: int) -> int:
    """give it back

    and say more about it
    """
    return a


@task
def two_paragraphs(a: int) -> int:
    """Give it back.

    A long text that
    runs over two lines.

    And a second paragraph.
    """
    return a


@task
def two_line_summary(a: int) -> int:
    """Give it back, whatever it may be,
    and do so at once.
    """
    return a


@task
def google(a: int, b: str = "x") -> str:
    """Join two things.

    More about joining.

    Args:
        a: the first one
        b: the second one,
            which has two lines

    Returns:
        both, joined
    """
    return f"{a}{b}"


@task
def google_typed(a: int, b: str) -> str:
    """Join two things.

    Args:
        a (int): the first one
        b (str, optional): the second one

    Returns:
        str: both, joined

    Raises:
        ValueError: never
    """
    return f"{a}{b}"


@task
def google_partly(a: int, b: int) -> int:
    """Add.

    Args:
        b: only this one has a text
    """
    return a + b


@task
def google_args_only(a: int) -> int:
    """
    Args:
        a: no summary above
    """
    return a


@task
def google_example(a: int) -> int:
    """Give it back.

    Example:
        give(1)

    Args:
        a: the thing
    """
    return a


@task
def numpy(a: int, b: str) -> str:
    """Join two things.

    More about joining.

    Parameters
    ----------
    a : int
        the first one
    b : str
        the second one,
        which has two lines

    Returns
    -------
    str
        both, joined
    """
    return f"{a}{b}"


@task
def numpy_untyped(a: int) -> int:
    """Give it back.

    Parameters
    ----------
    a
        the thing
    """
    return a


@task
def rest(a: int, b: str) -> str:
    """Join two things.

    More about joining.

    :param a: the first one
    :param b: the second one
    :return: both, joined
    """
    return f"{a}{b}"


@task
def rest_typed(a: int, b: str) -> str:
    """Join two things.

    :param int a: the first one
    :param b: the second one,
        which has two lines
    :type b: str
    :returns: both, joined
    :rtype: str
    """
    return f"{a}{b}"


@task
def rest_without_blank_line(a: int) -> int:
    """Give it back.
    :param a: the thing
    """
    return a


@task
def two_outputs(a: int) -> tuple[int, str]:
    """Give two things.

    Returns:
        what it made
    """
    return a, str(a)


@task
def unknown_parameter(a: int) -> int:
    """Give it back.

    Args:
        a: the thing
        ghost: there is no such parameter
    """
    return a


@task
def other_alphabets(a: int) -> int:
    """Дай обратно — 返す.

    Ünïcode: “quotes”, 😀.

    Args:
        a: ένα πράγμα
    """
    return a


@task
def markdown(a: int) -> int:
    """Give it back.

    # A heading

    - one
    - two

    ```python
    give(1)
    ```
    """
    return a


@task(docs=Documentation(short_description="Short and explicit"))
def explicit_short(a: int) -> int:
    return a


@task(
    docs=Documentation(
        short_description="Short and explicit",
        long_description="Long and explicit",
        source_code="https://example.com/x.py",
    )
)
def explicit_all(a: int) -> int:
    return a


@task(docs=Documentation(short_description="Explicit", long_description="Explicit too"))
def explicit_over_docstring(a: int) -> int:
    """From the docstring.

    Long, from the docstring.
    """
    return a
