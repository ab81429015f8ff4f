"""Author's SQL text in, the same text with bound parameters out.

`scan` finds `$name` and `{{ .inputs.name }}` where they mean a parameter: not in comments, not in dollar quotes, and in
single quotes only in the second form. `bind` replaces each by an expression that casts the parameter to its declared
SQL type. Every other byte of the author's text is kept, and every position in the new text maps back to the author's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fledge.errors import nearest
from fledge_sql.errors import SQLDefinitionError

__all__ = [
    "BoundText",
    "Placeholder",
    "bind",
    "error_at",
    "excerpt",
    "foreign_use",
    "line_column",
    "placeholder_names",
    "scan",
    "unknown_placeholder",
    "way_in",
    "without_end",
]

# Letters beyond ASCII, without the spaces among them, which DuckDB reads as spaces: text from web pages holds some.
_BEYOND = r"\u0080-\u009f\u00a1-\u167f\u1681-\u1fff\u200b-\u202e\u2030-\u205e\u2060-\u2fff\u3001-\U0010ffff"
_NAME = rf"[A-Za-z_{_BEYOND}][A-Za-z0-9_{_BEYOND}]*"
_WORD = rf"[A-Za-z_{_BEYOND}][A-Za-z0-9_${_BEYOND}]*"  # an identifier may hold a $, a parameter's name not
# The order matters: the first alternative that matches at a position is the token.
_TOKEN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<line_comment>--[^\r\n]*)
  | (?P<block_comment>/\*)
  | (?P<template>\{{\{{\s*\.inputs\.(?P<template_name>{_NAME})\s*\}}\}})
  | (?P<broken_template>\{{\{{\s*\.)
  | (?P<string>[eE]?')
  | (?P<identifier>")
  | (?P<dollar_quote>\$(?:{_NAME})?\$)
  | (?P<position>\$[0-9]+|\?)
  | (?P<parameter>\$(?P<parameter_name>{_NAME}))
  | (?P<word>{_WORD})
  | (?P<number>[0-9][0-9A-Za-z_.]*)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_STRING = re.compile(rf"\{{\{{\s*\.inputs\.(?P<name>{_NAME})\s*\}}\}}")
_BROKEN_IN_STRING = re.compile(r"\{\{\s*\.inputs\b")
_SILENT = frozenset({"space", "line_comment", "block_comment"})
# Words that turn the literal after them into a value of their type: DATE '2024-01-01'.
_TYPED = frozenset({"date", "time", "timestamp", "timestamptz", "interval"})
_UNITS = re.compile(
    r"(?:milli|micro)?seconds?|minutes?|hours?|days?|weeks?|months?|quarters?|years?|decades?|centur(?:y|ies)|millenni(?:um|a)",
    re.IGNORECASE,
)
# After these an operand begins: `:x` and `%(x)s` are no slice, cast, label or remainder there.
_BEFORE_OPERAND = frozenset(
    {
        *("(", ",", "=", "<", ">", "+", "-", "*", "/", "|", "%", "!", "and", "between", "by", "case", "date", "else"),
        *("escape", "having", "ilike", "in", "interval", "is", "like", "limit", "not", "offset", "on", "or", "select"),
        *("set", "then", "timestamp", "values", "when", "where"),
    }
)


@dataclass(frozen=True)
class Placeholder:
    """One use of a parameter.

    Attributes:
        name: The input it stands for.
        start, end: The characters of the author's text that it replaces, with the quotes and the type word around it.
        at: Where the name's placeholder itself begins; errors point there.
        literal: For a placeholder in single quotes: the literal's pieces, text and names in turn, text first.
        prefix: `e` when that literal takes backslash escapes.
        cast: The type word before it (`date` in `date $d`), which cannot stand before an expression.
        list_of: How it follows IN: "in" for `IN $xs`, "in (" for `IN ($xs)`, else empty.
    """

    name: str
    start: int
    end: int
    at: int
    literal: tuple[str, ...] = ()
    prefix: str = ""
    cast: str = ""
    list_of: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return self.literal[1::2] if self.literal else (self.name,)


@dataclass(frozen=True)
class _Token:
    kind: str
    start: int
    end: int
    text: str
    name: str = ""


@dataclass(frozen=True)
class BoundText:
    """The text that the engine gets.

    `moves` holds (start and end in `sql`, start and end in the author's text) of every placeholder.
    """

    author: str
    sql: str
    moves: tuple[tuple[int, int, int, int], ...]

    def author_position(self, position: int) -> int:
        """A position in `sql` as one in the author's text; inside a replacement: the placeholder's first character."""
        shift = 0
        for start, end, author_start, author_end in self.moves:
            if position < start:
                break
            if position < end:
                return author_start
            shift = author_end - end
        return min(max(position + shift, 0), len(self.author))

    def is_placeholder(self, position: int) -> bool:
        return any(start <= position < end for start, end, _, _ in self.moves)


def line_column(text: str, position: int) -> tuple[int, int]:
    """Line and column, both from 1, of a character position."""
    before = text[:position]
    return before.count("\n") + 1, position - (before.rfind("\n") + 1) + 1


def excerpt(text: str, position: int) -> str:
    """The line that holds a position, with a caret below it."""
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)].rstrip("\r")
    column = position - start
    if len(line) > 110:
        cut = max(0, min(column - 50, len(line) - 100))
        line, column = line[cut : cut + 100], column - cut
    return f"  {line}\n  {' ' * column}^"


def scan(text: str) -> tuple[Placeholder, ...]:
    """Every placeholder that counts, in order.

    Raises:
        SQLDefinitionError: A positional parameter, a placeholder in a quoted identifier, a template that cannot be
            read, or a string, comment or dollar quote that does not end.
    """
    tokens = [token for token in _tokens(text) if token.kind not in _SILENT]
    found: list[Placeholder] = []
    for index, token in enumerate(tokens):
        if token.kind in ("parameter", "template"):
            found.append(_plain(tokens, index))
        elif token.kind == "string":
            placeholder = _in_string(text, tokens, index)
            if placeholder is not None:
                found.append(placeholder)
    return tuple(found)


def without_end(text: str) -> str:
    """The text up to its last word: without the semicolons and comments that may follow."""
    tokens = [token for token in _tokens(text) if token.kind not in _SILENT]
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    return text[: tokens[-1].end] if tokens else ""


def placeholder_names(placeholders: Iterable[Placeholder]) -> list[str]:
    """Names in order of first use."""
    return list(dict.fromkeys(name for placeholder in placeholders for name in placeholder.names))


def foreign_use(text: str, name: str) -> tuple[int, str] | None:
    """Where an input stands as other tools write it, and how: `:x`, `%(x)s`, `{x}` or `{{ x }}`."""
    braces = re.compile(rf"[$#]?\{{\s*{re.escape(name)}\s*\}}|\{{\{{\s*(?:\w+\.)*{re.escape(name)}\s*\}}\}}")
    bare = re.compile(rf":{re.escape(name)}(?![\w$])|%\({re.escape(name)}\)[a-z]\b")
    before = "("  # a text may begin with an operand
    for token in _tokens(text):
        if token.kind in _SILENT:
            continue
        found = braces.match(text, token.start) if token.kind == "other" else None
        if found is None and before.lower() in _BEFORE_OPERAND:
            found = bare.match(text, token.start)
        if found is not None:
            return token.start, found[0]
        before = token.text
    return None


def bind(text: str, placeholders: Iterable[Placeholder], render: Callable[[Placeholder], str]) -> BoundText:
    """Replace every placeholder by what `render` gives for it."""
    pieces: list[str] = []
    moves: list[tuple[int, int, int, int]] = []
    done = length = 0
    for placeholder in placeholders:
        kept = text[done : placeholder.start]
        new = render(placeholder)
        length += len(kept)
        moves.append((length, length + len(new), placeholder.start, placeholder.end))
        pieces += (kept, new)
        length += len(new)
        done = placeholder.end
    return BoundText(text, "".join((*pieces, text[done:])), tuple(moves))


def unknown_placeholder(
    text: str, placeholder: Placeholder, name: str, inputs: Iterable[str], *, by_signature: bool
) -> SQLDefinitionError:
    """The error for a placeholder without input."""
    known = list(inputs)
    declared = f"declared inputs: {', '.join(known)}" if known else "the task declares no inputs"
    message = f"placeholder {name!r} has no input{nearest(name, known)} ({declared})"
    hint = f"{way_in(name, '...', by_signature=by_signature)}, or correct the name."
    return error_at(text, placeholder.at, message, hint)


def way_in(name: str, kind: str, *, by_signature: bool) -> str:
    """How the author of a task declares an input that is missing."""
    if by_signature:
        return f"Add a parameter to the function: {name}: {kind}"
    return f"Declare it: inputs=kwtypes({name}={kind})"


def error_at(text: str, position: int, message: str, hint: str = "") -> SQLDefinitionError:
    """A definition error that shows the place."""
    line, column = line_column(text, position)
    return SQLDefinitionError(message, line=line, column=column, hint=hint, excerpt=excerpt(text, position))


def _tokens(text: str) -> list[_Token]:
    tokens = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None  # the last alternative takes any character
        kind = match.lastgroup or "other"
        end = _end_of(text, kind, match)
        name = match["template_name"] or match["parameter_name"] or ""
        tokens.append(_Token(kind, position, end, text[position:end], name))
        position = end
    return tokens


def _end_of(text: str, kind: str, match: re.Match[str]) -> int:
    """Where the token that begins with `match` ends. Raises for what must not stand in a query."""
    start, end = match.span()
    if kind == "block_comment":
        return _end_of_comment(text, start)
    if kind == "string":
        return _end_of_string(text, start, end, escapes=match[0] != "'")
    if kind == "identifier":
        return _end_of_identifier(text, start)
    if kind == "dollar_quote":
        close = text.find(match[0], end)
        if close < 0:
            raise error_at(text, start, f"the dollar quote {match[0]} does not end", f"Close it with {match[0]}.")
        return close + len(match[0])
    if kind == "position":
        raise error_at(
            text, start, f"positional parameter {match[0]!r}", "Name the input instead: $name or {{ .inputs.name }}."
        )
    if kind == "broken_template":
        raise error_at(
            text, start, "this template is not {{ .inputs.name }}", "Only inputs can be used in a query, by name."
        )
    return end


def _end_of_comment(text: str, start: int) -> int:
    """Block comments nest, as in DuckDB and in the SQL standard."""
    depth, position = 1, start + 2
    while depth:
        match = re.compile(r"/\*|\*/").search(text, position)
        if match is None:
            raise error_at(text, start, "the comment that begins here does not end", "Close every /* with a */.")
        depth += 1 if match[0] == "/*" else -1
        position = match.end()
    return position


def _end_of_string(text: str, start: int, position: int, *, escapes: bool) -> int:
    pattern = re.compile(r"\\.|''|'" if escapes else r"''|'", re.DOTALL)
    while (match := pattern.search(text, position)) is not None:
        position = match.end()
        if match[0] == "'":
            if escapes and re.compile(r"\s*\n\s*'").match(text, position):
                hint = "Engines differ in how they read the second part. Write one literal, or join two with ||."
                raise error_at(text, position, "an e'...' literal that goes on in the next line", hint)
            return position
    raise error_at(
        text, start, "the string that begins here does not end", "Close it with '. A quote inside is written ''."
    )


def _end_of_identifier(text: str, start: int) -> int:
    position = start + 1
    while (match := re.compile(r'""|"').search(text, position)) is not None:
        position = match.end()
        if match[0] == '"':
            template = _BROKEN_IN_STRING.search(text, start, position)
            if template is not None:
                hint = (
                    "A value is no name. Give the input the type Annotated[str, Identifier(...)] and drop the quotes."
                )
                raise error_at(text, template.start(), "a placeholder in a quoted identifier", hint)
            return position
    raise error_at(text, start, "the quoted identifier that begins here does not end", 'Close it with ".')


def _plain(tokens: list[_Token], index: int) -> Placeholder:
    token = tokens[index]
    before = tokens[index - 1] if index else None
    start, cast = token.start, ""
    if before is not None and _is_type_word(tokens, index):
        start, cast = before.start, before.text
    return Placeholder(token.name, start, token.end, token.start, cast=cast, list_of=_list_position(tokens, index))


def _is_type_word(tokens: list[_Token], index: int) -> bool:
    """`date $d` as opposed to `interval $n day`, `t.date` and `x as date`."""
    before = tokens[index - 1]
    if before.kind != "word" or before.text.lower() not in _TYPED:
        return False
    if index >= 2 and tokens[index - 2].text in (".", "::"):
        return False
    after = tokens[index + 1] if index + 1 < len(tokens) else None
    return not (before.text.lower() == "interval" and after is not None and _UNITS.fullmatch(after.text))


def _list_position(tokens: list[_Token], index: int) -> str:
    if _is_in(tokens, index - 1):
        return "in"
    closes = index + 1 < len(tokens) and tokens[index + 1].text == ")"
    opens = index >= 2 and tokens[index - 1].text == "("
    return "in (" if opens and closes and _is_in(tokens, index - 2) else ""


def _is_in(tokens: list[_Token], index: int) -> bool:
    """Whether the word IN stands here, and not that of a list comprehension, as `[x for x in $xs]`."""
    if index < 0 or tokens[index].kind != "word" or tokens[index].text.lower() != "in":
        return False
    before = [token.text.lower() for token in tokens[max(index - 4, 0) : index]]
    return before[-2:-1] != ["for"] and not (before[:1] == ["for"] and before[2:3] == [","])


def _in_string(text: str, tokens: list[_Token], index: int) -> Placeholder | None:
    token = tokens[index]
    prefix = token.text[: token.text.index("'")]
    body_start = token.start + len(prefix) + 1
    pieces: list[str] = []
    position = body_start
    first = 0
    for match in _IN_STRING.finditer(text, body_start, token.end - 1):
        pieces += (text[position : match.start()], match["name"])
        first = first or match.start()
        position = match.end()
    pieces.append(text[position : token.end - 1])
    for piece in pieces[::2]:
        if (broken := _BROKEN_IN_STRING.search(piece)) is not None:
            raise error_at(
                text, text.index(piece, body_start) + broken.start(), "this template is not {{ .inputs.name }}"
            )
    if len(pieces) == 1:
        return None
    start, cast = token.start, ""
    if index and _is_type_word(tokens, index):
        start, cast = tokens[index - 1].start, tokens[index - 1].text
    return Placeholder(pieces[1], start, token.end, first, tuple(pieces), prefix, cast)
