"""Frames, plots and structures as parts of a report."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fledge import StructuredDataset
from fledge_report.histograms import spread
from fledge_report.values import shown

pa = pytest.importorskip("pyarrow")
pd = pytest.importorskip("pandas")
pl = pytest.importorskip("polars")

Make = Callable[[dict[str, Any]], Any]  # Any: columns of a frame, and the frame
LIBRARIES: dict[str, Make] = {"pyarrow": pa.table, "pandas": pd.DataFrame, "polars": pl.DataFrame}


def texts(html: str | None) -> str:
    """What a reader sees."""
    assert html is not None
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html)).strip()


# -- frames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_a_frame_is_its_size_its_columns_and_its_first_rows(make: Make) -> None:
    frame = make({"month": list(range(12)), "carrier": ["AA", None, "DL"] * 4})
    seen = texts(shown(frame))
    assert "12 rows, 2 columns" in seen
    assert re.search(r"month int64|month Int64", seen)
    assert re.search(r"carrier \w+ 4 33 % 2 different, AA 50 %", seen)
    assert "0 to 11" in seen
    assert "the first 10 rows" in seen
    assert seen.endswith("9 AA")


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_names_and_cells_of_a_frame_are_text(make: Make) -> None:
    evil = "</style></td><script>alert(1)</script>"
    html = shown(make({evil: [evil, 'a" onmouseover="x'], "n" * 1_000: ["x" * 1_000, ""]}))
    assert html is not None
    assert "<script" not in html
    assert "</style>" not in html
    assert '" onmouseover' not in html
    assert len(html) < 10_000


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_empty_frames_are_shown(make: Make) -> None:
    assert "0 columns" in texts(shown(make({})))
    assert "0 rows, 1 columns" in texts(shown(make({"a": []})))


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_a_wide_and_long_frame_is_cut(make: Make) -> None:
    html = shown(make({f"c{number}": range(30_000) for number in range(100)}))
    seen = texts(html)
    assert "30,000 rows, 100 columns" in seen
    assert "and 40 more" in seen
    assert "values of one row in 3" in seen
    assert len(html or "") < 300_000


@pytest.mark.parametrize("make", LIBRARIES.values(), ids=LIBRARIES)
def test_cells_of_every_kind_are_shown(make: Make) -> None:
    moment = datetime(2013, 1, 2, 3, 4, tzinfo=timezone.utc)
    columns = {
        "f": [1.5, float("nan"), float("inf")],
        "at": [moment, moment + timedelta(days=1), None],
        "d": [date(2013, 1, 1), None, date(2014, 1, 1)],
        "dec": [Decimal("1.10"), Decimal("2.20"), None],
        "list": [[1], [], None],
        "b": [True, False, None],
        "t": [time(1, 2), None, time(3)],
        "bytes": [b"\0", b"<", None],
    }
    seen = texts(shown(make(columns)))
    for text in (
        "inf",
        "2013-01-02 03:04:00",
        "2013-01-01 to 2014-01-01",
        "1.10 to 2.20",
        "[1]",
        "2 different",
        "01:02:00",
    ):
        assert text in seen


def test_what_python_has_no_value_for_is_shown_as_text() -> None:
    table = pa.table({"ns": pa.array([1], pa.timestamp("ns")), "late": pa.array([10**15], pa.timestamp("s"))})
    assert "1970-01-01 00:00:00.000000001" in texts(shown(table))


def test_columns_of_one_name_and_an_index_are_columns() -> None:
    frame = pd.DataFrame([[1, "x"], [2, "y"]], columns=["a", "a"], index=pd.Index(["r", "s"], name="row"))
    assert "2 rows, 3 columns" in texts(shown(frame))
    assert texts(shown(frame)).endswith("index row a a r 1 x s 2 y")
    deep = pd.DataFrame({"v": [1]}, index=pd.MultiIndex.from_tuples([("p", 2)], names=["x", None]))
    assert "index x index v p 2 1" in texts(shown(deep))


def test_a_series_is_a_frame_of_one_column() -> None:
    for series in (pd.Series([1, 2], name="s"), pl.Series("s", [1, 2])):
        assert texts(shown(series)).endswith("s 1 2")


def test_frames_that_are_read_later_or_once_are_not_read() -> None:
    reader = pa.table({"a": [1, 2]}).to_reader()
    assert "1 columns pyarrow.RecordBatchReader" in texts(shown(reader))
    assert reader.read_all().num_rows == 2

    def fails(frame: Any) -> Any:  # Any: a polars frame
        raise AssertionError

    assert "not collected" in texts(shown(pl.LazyFrame({"a": [1]}).map_batches(fails)))


def test_a_handle_shows_the_frame_in_hand_or_where_one_is() -> None:
    assert "in memory 1 rows" in texts(shown(StructuredDataset(pa.table({"a": [1]}))))
    assert texts(shown(StructuredDataset(uri="s3://b/<x>", file_format="parquet"))).endswith("s3://b/&lt;x&gt; parquet")


# -- histograms --------------------------------------------------------------------------------------------------------


NUMBERS = st.floats() | st.integers(-(2**80), 2**80) | st.decimals(allow_nan=False)


@given(st.lists(NUMBERS, min_size=1) | st.lists(st.datetimes()) | st.lists(st.dates()) | st.lists(st.text()))
def test_any_column_has_a_picture_in_its_place_or_none(values: list[Any]) -> None:
    html = spread(values)
    for x, y, width, height in re.findall(r'<rect x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', html):
        assert float(x) >= 0
        assert float(x) + float(width) <= 120.1
        assert float(y) >= 0
        assert float(y) + float(height) <= 24.1


@given(st.lists(st.integers(-1000, 1000), min_size=1))
def test_every_value_of_a_histogram_is_counted_once(values: list[int]) -> None:
    heights = [float(one) for one in re.findall(r'height="([\d.]+)"/>', spread(values))]
    assert 1 <= len(heights) <= min(24, len(set(values)))
    assert max(heights) == 24


@pytest.mark.parametrize("values", [[1, "a"], [object()], [[1], [2]], [{"a": 1}], [], [float("nan")]])
def test_values_that_are_no_numbers_times_or_texts_have_no_picture(values: list[Any]) -> None:
    assert spread(values) == ""


def test_names_of_counted_values_cannot_leave_their_attribute() -> None:
    assert '"><script' not in spread(['"><script>', '"><script>'])


# -- pictures ----------------------------------------------------------------------------------------------------------


class Svg:
    def _repr_svg_(self) -> str:
        return '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Png:
    def _repr_png_(self) -> bytes:
        return b"\x89PNG"


class Bundle:
    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> object:
        return {"image/png": base64.b64encode(b"\x89PNG").decode(), "text/plain": "x"}, {}


class Html:
    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html


class Unset:
    def _repr_html_(self) -> None:
        return None


def test_figures_are_drawn() -> None:
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2, 3])
    html = shown(figure)
    assert html is not None
    content = base64.b64decode(re.findall(r'src="data:image/svg\+xml;base64,(.+?)"', html)[0])
    assert b"<svg" in content
    assert shown(figure) is not None
    assert (shown(figure.axes[0]) or "").startswith("<img")


def test_a_figure_of_many_points_is_a_png() -> None:
    figures = pytest.importorskip("matplotlib.figure")
    figure = figures.Figure(figsize=(2, 1))
    figure.subplots().scatter(range(20_000), range(20_000))
    assert (shown(figure) or "").startswith('<img class="plot" alt="" src="data:image/png;base64,')


def test_a_picture_is_only_a_picture() -> None:
    html = shown(Svg())
    assert html is not None
    assert "<script" not in html
    assert html.startswith('<img class="plot" alt="" src="data:image/svg+xml;base64,')
    png = f'<img class="plot" alt="" src="data:image/png;base64,{base64.b64encode(bytes([0x89]) + b"PNG").decode()}">'
    assert shown(Png()) == shown(Bundle()) == png


def test_what_draws_itself_with_a_script_says_so() -> None:
    html = shown(Html('<div id="plot"></div><script src="https://cdn.example/plot.js"></script>'))
    assert "draws itself with a script" in texts(html)
    assert "cdn.example" not in (html or "")
    assert "its script is left out" in texts(shown(Html("<p>1</p><script>2</script>")))
    assert "nothing to show" in texts(shown(Html("<div></div>")))


def test_a_huge_picture_is_left_out() -> None:
    class Huge:
        def _repr_png_(self) -> bytes:
            return b"\x89" * 9_000_000

    assert texts(shown(Huge())) == "A picture of 9 MB is left out: at most 8 MB are shown."
    assert "its HTML has 9 MB" in texts(shown(Html("x" * 9_000_000)))


def test_an_object_that_has_nothing_to_say_is_left_to_its_repr() -> None:
    assert shown(Unset()) is None
    assert shown(Svg) is None, "a class is no picture"


# -- structures --------------------------------------------------------------------------------------------------------


@dataclass
class Epoch:
    number: int
    loss: float


@dataclass
class Run:
    name: str
    epochs: list[Epoch]
    settings: dict[str, Any]


class Point(NamedTuple):
    x: int
    y: object


def test_records_are_tables() -> None:
    html = shown(
        Run("<first>", [Epoch(1, 0.5), Epoch(2, 0.25)], {"deep": {"er": [1, 2]}, "frame": pa.table({"a": [1]})})
    )
    seen = texts(html)
    assert seen.startswith("name &lt;first&gt; epochs number loss 1 0.5 2 0.25 settings deep er [1, 2] frame 1 rows")
    assert (html or "").count("<thead>") == 3
    assert texts(shown([Point(1, Svg()), Point(2, None)])) == "x y 1 2 null"


@pytest.mark.parametrize("value", [1, "text", None, [], {}, [1, 2], ("a", "b"), Epoch, object(), b"x"])
def test_plain_values_are_left_to_their_repr(value: object) -> None:
    assert shown(value) is None


def test_long_and_deep_structures_are_cut() -> None:
    assert "and 950 more" in texts(shown([Epoch(number, 0.0) for number in range(1_000)]))
    deep: list[Any] = []
    deep.append([deep])
    assert len(shown([deep, deep]) or "") < 10_000


def test_a_field_that_was_never_set_is_null() -> None:
    broken = object.__new__(Epoch)
    assert texts(shown(broken)) == "number null loss null"
