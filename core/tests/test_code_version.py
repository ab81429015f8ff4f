"""`cache=True` alone: the version follows the code and all that the code names of the user's own."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from fledge import FlyteContextManager, ImageConfig, LocalConfig, SerializationSettings, task
from fledge.errors import DefinitionError
from fledge.serialize import task_template
from fledge.testing import fresh_context

PREAMBLE = """
from __future__ import annotations
import enum, functools, json, logging, os, re, threading
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from fledge import task, workflow
"""
Version = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all tests: a task of one name belongs to one file."""
    return tmp_path_factory.mktemp("versions")


@pytest.fixture
def version_of(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Version]:
    """The derived version of `t` in a module of this text, with other modules beside it."""
    monkeypatch.syspath_prepend(folder)
    names = ["job", "own_helpers", "own_constants"]

    def version(text: str, **others: str) -> str:
        for name in names:
            sys.modules.pop(name, None)
        for name, other in {**others, "job": PREAMBLE + text}.items():
            (folder / f"{name}.py").write_text(other)
        importlib.invalidate_caches()
        module: ModuleType = importlib.import_module("job")
        derived: str = module.t.metadata.cache_version
        return derived

    yield version
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that is written twice within a second is read twice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)


TASK = "@task(cache=True)\ndef t(a: int) -> int:\n    return {}\n"
CHANGES = {
    "constant": ("RATE = {}\n" + TASK.format("a + RATE"), "5", "6"),
    "constant defined after the task": (TASK.format("a + RATE") + "RATE = {}\n", "5", "6"),
    "type of a constant": ("RATE = {}\n" + TASK.format("a + RATE"), "1", "1.0"),
    "nested constant": ("RATES = dict(x=[1, (2, {})])\n" + TASK.format("a + len(RATES)"), "3", "4"),
    "set": ("RATES = set(['a', {}])\n" + TASK.format("a + len(RATES)"), "'b'", "'c'"),
    "helper": ("def h(a):\n    return a + {}\n" + TASK.format("h(a)"), "1", "2"),
    "helper of a helper": (
        "def g(a):\n    return a + {}\ndef h(a):\n    return g(a)\n" + TASK.format("h(a)"),
        "1",
        "2",
    ),
    "constant of a helper": ("RATE = {}\ndef h(a):\n    return a + RATE\n" + TASK.format("h(a)"), "1", "2"),
    "default of a helper": ("RATE = {}\ndef h(a, n=RATE):\n    return a + n\n" + TASK.format("h(a)"), "1", "2"),
    "lambda": ("h = lambda a: a + {}\n" + TASK.format("h(a)"), "1", "2"),
    "cached helper": ("@functools.lru_cache\ndef h(a):\n    return a + {}\n" + TASK.format("h(a)"), "1", "2"),
    "partial": ("def h(a, n):\n    return a + n\np = functools.partial(h, n={})\n" + TASK.format("p(a)"), "1", "2"),
    "decorator of a helper": (
        "def more(f):\n    @functools.wraps(f)\n    def g(a):\n        return f(a) + {}\n    return g\n"
        "@more\ndef h(a):\n    return a\n" + TASK.format("h(a)"),
        "1",
        "2",
    ),
    "function in a table": ("def h(a):\n    return a + {}\nBY = dict(h=h)\n" + TASK.format("BY['h'](a)"), "1", "2"),
    "method": ("class C:\n    def m(self, a):\n        return a + {}\n" + TASK.format("C().m(a)"), "1", "2"),
    "method of a base": (
        "class B:\n    def m(self, a):\n        return a + {}\nclass C(B):\n    pass\n" + TASK.format("C().m(a)"),
        "1",
        "2",
    ),
    "constant of a method": (
        "RATE = {}\nclass C:\n    def m(self, a):\n        return a + RATE\n" + TASK.format("C().m(a)"),
        "1",
        "2",
    ),
    "class variable": ("RATE = {}\nclass C:\n    _n = RATE\n" + TASK.format("a + C._n"), "1", "2"),
    "dataclass": ("@dataclass\nclass P:\n    x: int = {}\n" + TASK.format("a + P().x"), "1", "2"),
    "instance": ("@dataclass\nclass P:\n    x: int\nP1 = P({})\n" + TASK.format("a + P1.x"), "1", "2"),
    "enum": ("class E(enum.Enum):\n    A = {}\n" + TASK.format("a + E.A.value"), "1", "2"),
    "values of the standard library": (
        "W = (Path('x'), Decimal('1'), re.compile({}))\n" + TASK.format("a + len(W)"),
        "'a'",
        "'b'",
    ),
    "task that it calls": ("@task\ndef s(a: int) -> int:\n    return a + {}\n" + TASK.format("s(a=a)"), "1", "2"),
    "cached task that it calls": (
        "@task(cache=True)\ndef s(a: int) -> int:\n    return a + {}\n" + TASK.format("s(a=a)"),
        "1",
        "2",
    ),
    "version of a task that it calls": (
        "@task(cache=True, cache_version={})\ndef s(a: int) -> int:\n    return a\n" + TASK.format("s(a=a)"),
        "'1'",
        "'2'",
    ),
    "closure": (
        (
            "def make(n):\n    @task(cache=True)\n    def t(a: int) -> int:\n        return a + n\n    return t\n"
            "t = make({})\n"
        ),
        "1",
        "2",
    ),
    "function in a closure": (
        (
            "def make(f):\n    @task(cache=True)\n    def t(a: int) -> int:\n        return f(a)\n    return t\n"
            "def h(a):\n    return a + {}\nt = make(h)\n"
        ),
        "1",
        "2",
    ),
    "name inside a comprehension": (
        "RATE = {}\n" + TASK.format("sum([a + RATE for _ in range(2)])"),
        "1",
        "2",
    ),
    "decorator inside the body": (
        (
            "def more(f):\n    return lambda: f() + {}\n"
            "@task(cache=True)\ndef t(a: int) -> int:\n    @more\n    def g():\n        return a\n    return g()\n"
        ),
        "1",
        "2",
    ),
    "declared helper": (
        "def h(a):\n    return a + {}\n@task(cache=True, cache_helpers=[h])\ndef t(a: int) -> int:\n    return a\n",
        "1",
        "2",
    ),
}


@pytest.mark.parametrize(("text", "first", "second"), CHANGES.values(), ids=list(CHANGES))
def test_a_version_follows_all_that_the_code_names(text: str, first: str, second: str, version_of: Version) -> None:
    one = version_of(text.replace("{}", first))
    assert one == version_of(text.replace("{}", first))
    assert one != version_of(text.replace("{}", second))


OTHER_MODULES = {
    "function by attribute": "import own_helpers\n" + TASK.format("own_helpers.h(a)"),
    "function by name": "from own_helpers import h\n" + TASK.format("h(a)"),
    "import in the body": "@task(cache=True)\ndef t(a: int) -> int:\n    import own_helpers as o\n    return o.h(a)\n",
    "import of a name in the body": "@task(cache=True)\ndef t(a: int) -> int:\n    from own_helpers import h\n"
    "    return h(a)\n",
}


@pytest.mark.parametrize("text", OTHER_MODULES.values(), ids=list(OTHER_MODULES))
def test_a_version_follows_other_modules_of_ones_own(text: str, version_of: Version) -> None:
    helpers = "import own_constants\ndef h(a):\n    return a + own_constants.RATE\n"
    one = version_of(text, own_helpers=helpers, own_constants="RATE = 1\n")
    assert one == version_of(text, own_helpers=helpers, own_constants="RATE = 1\nUNUSED = 3\n")
    assert one != version_of(text, own_helpers=helpers, own_constants="RATE = 2\n")


SAME = {
    "comment and layout": ("def h(a):\n    return a+1\n", "def h(a):\n\n    # why\n    return (a + 1)\n"),
    "docstring": ("def h(a):\n    return a+1\n", "def h(a):\n    '''What.'''\n    return a + 1\n"),
    "what it does not name": ("X = 1\ndef h(a):\n    return a\n", "X = 2\ndef h(a):\n    return a\n"),
    "logger": (
        "log = logging.getLogger('a')\ndef h(a):\n    log.info('x')\n    return a\n",
        "log = logging.getLogger('b')\ndef h(a):\n    log.info('x')\n    return a\n",
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=list(SAME))
def test_a_version_stays_when_the_meaning_does(one: str, other: str, version_of: Version) -> None:
    assert version_of(one + TASK.format("h(a)")) == version_of(other + TASK.format("h(a)"))


def test_the_environment_is_no_part_of_a_version(version_of: Version, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "from os import environ\n" + TASK.format("a + len(environ)")
    one = version_of(text)
    monkeypatch.setenv("SOME_OTHER", "1")
    assert version_of(text) == one


@pytest.mark.parametrize(
    "text",
    [
        "@task(cache=True)\ndef t(a: int) -> int:\n    return a and t(a=a - 1)\n",
        "def h(a):\n    return a and h(a - 1)\n" + TASK.format("h(a)"),
        "L = []\nL.append(L)\n" + TASK.format("a + len(L)"),
        TASK.format("a + undefined_anywhere"),
        "import own_helpers\n" + TASK.format("own_helpers.gone(a)"),
    ],
    ids=["recursive task", "recursive function", "list in itself", "unknown name", "unknown attribute"],
)
def test_a_version_is_found_for(text: str, version_of: Version) -> None:
    assert version_of(text, own_helpers="") == version_of(text, own_helpers="")


UNKNOWN = {
    "lock": ("LOCK = threading.Lock()\n" + TASK.format("a + LOCK.locked()"), "t > LOCK.locked: .*'_thread.lock'"),
    "module as a value": ("import own_helpers\n" + TASK.format("vars(own_helpers)['x']"), "t > own_helpers: a module"),
    "code without source": (
        "made = {}\nexec('def h(a): return a', made)\nh = made['h']\nh.__module__ = 'job'\n" + TASK.format("h(a)"),
        "t > h: the source in <string>",
    ),
}


@pytest.mark.parametrize(("text", "match"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_what_cannot_be_hashed_is_named_with_the_way_to_it(text: str, match: str, version_of: Version) -> None:
    with pytest.raises(DefinitionError, match=match):
        version_of(text, own_helpers="x = 1\n")


@pytest.mark.parametrize(
    ("file", "way_out"), [("<stdin>", "Move it to a file"), ("compiled_only.py", "Give cache_version='1'")]
)
def test_a_task_whose_source_cannot_be_read_says_what_to_do(file: str, way_out: str) -> None:
    """A version that is given would be shared by all that is typed under one name."""
    made: dict[str, Callable[..., int]] = {}
    exec(compile("def f(a: int) -> int:\n    return a\n", file, "exec"), made)
    with pytest.raises(DefinitionError, match=f"the source of f cannot be read, .* {way_out}$"):
        task(cache=True)(made["f"])


def test_two_tasks_of_a_factory_do_not_share_results(tmp_path: Path) -> None:
    def factory(n: int) -> Callable[..., int]:
        @task(cache=True)
        def made(a: int) -> int:
            return a + n

        return made

    config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(tmp_path), "FLEDGE_CACHE": "1"})
    with fresh_context() as context, FlyteContextManager.with_context(context.with_(config=config)):
        one, two = factory(1), factory(2)
        assert [one(a=1), two(a=1), one(a=1), two(a=1)] == [2, 3, 2, 3]


def test_a_version_that_cannot_be_found_means_no_caching_and_the_reason(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ran, opened = [], (one for one in (1, 2, 3))

    @task(cache=True)
    def takes(a: int) -> int:
        ran.append(a)
        return next(opened)

    config = LocalConfig.from_env({"FLEDGE_CACHE_DIR": str(tmp_path), "FLEDGE_CACHE": "1"})
    with fresh_context() as context, FlyteContextManager.with_context(context.with_(config=config)):
        assert [takes(a=1), takes(a=1)] == [1, 2]
    assert caplog.text.count("runs without the cache") == 1, "what stays true is told once"
    assert "opened" in caplog.text
    assert not list(tmp_path.rglob("*.pb"))
    with pytest.raises(DefinitionError, match=r"opened.*cache_version"):
        task_template(takes, SerializationSettings(image_config=ImageConfig()))


def test_a_version_is_the_same_in_every_process_and_for_every_hash_seed(tmp_path: Path) -> None:
    (tmp_path / "seeds.py").write_text(
        PREAMBLE + "NAMES = {'a', 'b', 'c', 'd'}\nTABLE = dict(x=NAMES, y=frozenset(NAMES))\n"
        "class C:\n    names = NAMES\n" + TASK.format("a + len(NAMES) + len(TABLE) + len(C.names)")
    )
    run = "import sys; sys.path.insert(0, sys.argv[1]); import seeds; print(seeds.t.metadata.cache_version)"
    found = {
        subprocess.run(
            [sys.executable, "-c", run, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(found) == 1


def test_a_changed_copy_of_metadata_keeps_the_derived_version() -> None:
    @task(cache=True)
    def f(a: int) -> int:
        return a

    assert f.metadata.changed(retries=2).cache_version == f.metadata.cache_version
    assert f.metadata.changed(cache_version="7").cache_version == "7"
    assert f.metadata.changed(cache=False).cache_version == ""


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"cache": True, "cache_helpers": ("g",)}, "cache_helpers: 'g' is no function. Pass the function itself: g"),
        ({"cache": True, "cache_helpers": "g"}, "cache_helpers='g': give functions in a tuple"),
        ({"cache": True, "cache_helpers": 5}, "cache_helpers=5: give functions in a tuple"),
        ({"cache_helpers": len}, "cache_helpers=<built-in function len>: has no meaning without cache=True"),
        ({"cache": True, "cache_version": "1", "cache_helpers": (len,)}, "nor beside a cache_version"),
        ({"cache_version": "1"}, "cache_version='1': has no meaning without cache=True"),
        ({"cache": "no"}, "cache='no': give True or False"),
    ],
    ids=["helper by name", "a text", "a number", "helpers alone", "helpers and version", "version alone", "text"],
)
def test_a_mistake_in_the_cache_options_is_refused(options: dict[str, object], match: str) -> None:
    def f(a: int) -> int:
        return a

    with pytest.raises(DefinitionError, match=match):
        task(**options)(f)  # type: ignore[call-overload] # the mistake
