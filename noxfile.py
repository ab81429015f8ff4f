"""Everything a developer or CI runs: `nox -s demo`, `nox -s tests`, and the checks one by one (`nox -l`).

In: this checkout and a package index. Out: environments under `.nox/`, wheels under `dist/`, and an exit status.

`demo`, `tests`, `types`, `layers` and `fuzz` share one environment, `.nox/shared`, with every package installed in
editable form; it and its siblings are made again when what they were made from changes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import nox

ROOT = Path(__file__).parent
# Every folder with a package of ours in it, the core first; and what each says of itself.
PACKAGES = tuple(
    str(file.parent.relative_to(ROOT))
    for pattern in ("core", "plugins/*", "plugins-*")
    for file in sorted(ROOT.glob(f"{pattern}/pyproject.toml"))
)
PROJECTS = {package: nox.project.load_toml(ROOT / package / "pyproject.toml")["project"] for package in PACKAGES}
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
# Pinned, and always by pip: other installers do not find the CPU build that pip may be configured to find.
TORCH = "torch==2.13.0"
CHECKED = (*PACKAGES, "tests", "benchmarks", "examples")

nox.needs_version = ">=2025.5"
nox.options.default_venv_backend = "venv"
nox.options.sessions = ["tests"]


# -- the sessions ------------------------------------------------------------------------------------------------------


@nox.session(python=False)
def demo(session: nox.Session) -> None:
    """Run the main job: SQL, training on four ranks and scoring, on the flights of a year."""
    python = shared_environment(session)
    run_in(session, python, "-m", "examples.flight_delays", *session.posargs)


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """Run all tests on the Python that runs nox; then lint, types, layers and parity."""
    python = shared_environment(session)
    if not session.posargs:
        for name in ("lint", "types", "layers", "parity"):
            session.notify(name)
    run_in(session, python, "-m", "pytest", *session.posargs)


@nox.session(python=False)
def tests_all(session: nox.Session) -> None:
    """Run the tests on every supported Python that this machine has; torch only on the Python that runs nox."""
    found = {version: path for version in PYTHONS if (path := find_interpreter(version))}
    missing = [version for version in PYTHONS if version not in found]
    if missing:
        session.warn(f"not on this machine, left out: Python {', '.join(missing)}")
    with all_of(session, "tests_all") as check:
        for version, interpreter in found.items():
            session.log(f"Python {version}: {interpreter}")
            is_own = version == f"{sys.version_info.major}.{sys.version_info.minor}"
            # The CPU build of torch is at hand for few Pythons; elsewhere it would bring gigabytes of CUDA.
            if is_own:
                python = shared_environment(session)
            else:
                python = environment(session, f"py{version}", interpreter, tools=("test", "plugins", "types"))
            check(partial(run_in, session, python, "-m", "pytest", *session.posargs), f"Python {version}")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and form: ruff (rules and format), and the changelog's fragments."""
    session.install(*group("lint"))
    where = session.posargs or ["."]
    with all_of(session, "lint") as check:
        check(partial(session.run, "ruff", "check", *where), "rules")
        check(partial(session.run, "ruff", "format", "--check", *where), "format")
        check(partial(session.run, "towncrier", "build", "--draft", "--version", "next", silent=True), "changelog")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Check every annotation with mypy in its strict mode, package by package."""
    python = shared_environment(session)
    with all_of(session, "types") as check:
        for place in (("noxfile.py", "conftest.py"), *((place,) for place in CHECKED)):
            if any((ROOT / part).suffix or any((ROOT / part).rglob("*.py")) for part in place):
                check(partial(run_in, session, python, "-m", "mypy", *place), " ".join(place))


@nox.session(python=False)
def layers(session: nox.Session) -> None:
    """Check that imports go one way: layers of the core, core without plugins, independent siblings."""
    python = shared_environment(session)
    run_in(session, python, str(python.with_name("lint-imports")), "--no-logo")


@nox.session
def build(session: nox.Session) -> None:
    """Build sdists, and wheels from the sdists; install each into an empty environment; try it there."""
    session.install(*group("build"))
    dist = ROOT / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    for package in PACKAGES:
        session.run("python", "-m", "build", "--outdir", str(dist), package)
    files = sorted(dist.iterdir())
    if len(files) != 2 * len(PACKAGES):
        session.error(f"expected a wheel and an sdist of each package in {dist}, found {[file.name for file in files]}")
    session.run("twine", "check", "--strict", *map(str, files))
    for distribution in (project["name"] for project in PROJECTS.values()):
        place = Path(session.create_tmp()) / distribution
        shutil.rmtree(place, ignore_errors=True)
        session.run("python", "-m", "venv", str(place))
        python = bin_folder(place) / "python"
        # Our own wheels come from dist/ only; a fledge on the index would be somebody's.
        names = {name.replace("-", "_") for name in ours_for(distribution)}
        wheels = [str(wheel) for wheel in dist.glob("*.whl") if wheel.name.split("-")[0] in names]
        session.run(str(python), "-m", "pip", "install", "--quiet", *wheels, external=True)
        smoke = ROOT / "tests/repo/smoke_installed.py"
        session.run(str(python), "-I", str(smoke), distribution, external=True)


@nox.session(python=False)
def sql_drivers(session: nox.Session) -> None:
    """Run the tests of fledge-sql with DuckDB 1.5 and 2.0, each with sqlglot as Python and compiled."""
    packages = ("core", "plugins/dataframes", "plugins-sql")
    with all_of(session, "sql_drivers") as check:
        for duckdb in ("1.5", "2.0"):
            for sqlglot, kind in {"sqlglot": "pure", "sqlglot[c]": "compiled"}.items():
                name, first = f"sql-{duckdb}-{kind}", [f"duckdb=={duckdb}.*", sqlglot]
                python = environment(session, name, sys.executable, packages=packages, first=first)
                where = session.posargs or ["plugins-sql/tests"]
                check(partial(run_in, session, python, "-m", "pytest", *where), name)


@nox.session(python=False)
def minimums(session: nox.Session) -> None:
    """Run each package's tests with the lowest versions that it allows of what it depends on; then `resolution`.

    On the lowest Python that is on this machine; without torch. Arguments: folders of packages.
    """
    interpreter = find_interpreter(PYTHONS[0]) or sys.executable
    with all_of(session, "minimums") as check:
        for package in session.posargs or PACKAGES:
            check(partial(test_lowest, session, package, interpreter), package)
    if not session.posargs:
        session.notify("resolution")


@nox.session
def resolution(session: nox.Session) -> None:
    """Check that the core installs beside what users have, holds none of it back, and takes its oldest protobuf."""
    session.install("pip>=25")  # older ones download what they only ask about
    for neighbour in ("tensorflow", "streamlit", "grpcio", "protobuf"):
        alone, beside = (resolved(session, *wanted)[neighbour] for wanted in ([neighbour], [neighbour, "./core"]))
        session.log(f"core with {neighbour} {beside}")
        if alone != beside:
            session.error(f"with the core {neighbour} {beside} is installed, without it {alone}")
    (protobuf,) = (line for line in PROJECTS["core"]["dependencies"] if line.startswith("protobuf"))
    lowest = f"protobuf=={lower_bound(protobuf)}"
    session.log(f"core with protobuf {resolved(session, './core', lowest)['protobuf']}")


@nox.session(python=False)
def parity(session: nox.Session) -> None:
    """Compare with the newest flytekit, both SDKs in one process."""
    if not any((ROOT / "tests/parity").glob("test_*.py")):
        session.skip("tests/parity holds no tests")
    python = parity_environment(session)
    peers = [requirement for requirement in group("parity") if requirement.startswith("flytekit")]
    run_in(session, python, "-m", "pip", "install", "--quiet", "--upgrade", *peers)
    run_in(session, python, "-m", "pytest", *(session.posargs or ["tests/parity"]))


@nox.session(python=False)
def fuzz(session: nox.Session) -> None:
    """Run every property of the core for long: 20,000 examples each, and a million hostile messages."""
    python = shared_environment(session)
    where = session.posargs or ["core/tests"]
    run_in(session, python, "-m", "pytest", "-m", "hypothesis", "--hypothesis-profile=fuzz", *where)


@nox.session(python=False)
def soak(session: nox.Session) -> None:
    """Fail ranks in every way, 100 times each, and run 64 of them: the right one is blamed, and nothing is left."""
    python = shared_environment(session)
    program = "plugins-distributed/tests/programs/soak.py"
    with all_of(session, "soak") as check:
        check(partial(run_in, session, python, program, *(session.posargs or ["--repeats", "100"])), "asleep")
        if not session.posargs:
            check(partial(run_in, session, python, program, "--torch", "--repeats", "100"), "in a collective")


@nox.session(python=False)
def bench(session: nox.Session) -> None:
    """Measure ours, the peers' and the floor's time, interleaved in one run, then ranks. Options: `-- --help`."""
    if not session.posargs:
        session.notify("bench_ranks")
    ours = environment(session, "bench-fledge", sys.executable, packages=("core",), tools=())
    peer = plain_environment(session, "bench-flytekit", ["flytekit"])
    packages = ("core", "plugins/dataframes", "plugins/storage")
    beside = ["flytekit", "pandas", *PROJECTS["plugins/storage"]["optional-dependencies"]["testing"]]
    data = environment(session, "bench-data", sys.executable, packages=packages, tools=(), first=beside)
    packages = ("core", "plugins/dataframes", "plugins-sql")
    sql = environment(session, "bench-sql", sys.executable, packages=packages, tools=(), first=["numpy", "sqlglot[c]"])
    # flytekit's plugin for DuckDB wants an older one than ours takes, so they cannot share an environment.
    duckdb = plain_environment(session, "bench-flytekit-duckdb", ["flytekitplugins-duckdb", "pyarrow"])
    others = {"flytekit": peer, "data": data, "sql": sql, "sql.flytekit": duckdb}
    given = [argument for name, python in others.items() for argument in ("--python", f"{name}={python}")]
    run_in(session, ours, "benchmarks/run.py", *given, *session.posargs)


@nox.session(python=False)
def bench_ranks(session: nox.Session) -> None:
    """Measure ranks of ours, torchrun's and flytekit's, interleaved in one run. Options: `nox -s bench_ranks -- -h`."""
    run_in(session, parity_environment(session), "benchmarks/scenarios/distributed/measure.py", *session.posargs)


# -- environments ------------------------------------------------------------------------------------------------------


def shared_environment(session: nox.Session) -> Path:
    """The Python of the environment with everything in it: PyTorch, JAX and Open MPI included."""
    tools = ("test", "plugins", "ranks", "types", "layers")
    return environment(session, "shared", sys.executable, packages=PACKAGES, tools=tools, first=[TORCH])


def parity_environment(session: nox.Session) -> Path:
    """The Python of the environment with flytekit beside us; it makes tasks of an Elastic config only with torch."""
    packages = ("core", "plugins/dataframes", "plugins-distributed")
    return environment(session, "parity", sys.executable, packages=packages, tools=("parity",), first=[TORCH])


def environment(
    session: nox.Session,
    name: str,
    interpreter: str,
    *,
    packages: tuple[str, ...] = PACKAGES,
    tools: tuple[str, ...] = ("test", "plugins"),
    first: list[str] | None = None,
) -> Path:
    """Make `.nox/<name>` with our packages in editable form and return its Python."""
    wanted = [*editable(packages), *(requirement for tool in tools for requirement in group(tool))]
    sources = [ROOT / "core/src/fledge/_version.py", *(ROOT / package / "pyproject.toml" for package in packages)]
    return made(session, name, interpreter, [first or [], wanted], sources)


def test_lowest(session: nox.Session, package: str, interpreter: str) -> None:
    """One package's tests, in an environment made for it."""
    run_in(session, lowest_environment(session, package, interpreter), "-m", "pytest", f"{package}/tests")


def lowest_environment(session: nox.Session, package: str, interpreter: str) -> Path:
    """Make `.nox/minimum-<name>`: one package with its extras, each direct dependency at its lower bound."""
    project = PROJECTS[package]
    extras = [
        line for name, lines in project.get("optional-dependencies", {}).items() if name != "torch" for line in lines
    ]
    siblings = {one["name"] for one in PROJECTS.values()}
    direct = [line for line in [*project["dependencies"], *extras] if line not in siblings]
    pins = [f"{re.split('[<>=]', line)[0]}=={lower_bound(line)}" for line in direct]
    packages = [folder for folder in PACKAGES if PROJECTS[folder]["name"] in ours_for(project["name"])]
    tools = [*group("test"), *(group("plugins") if package != "core" else ())]  # flask wants a newer click
    wanted = [*editable(tuple(packages)), *pins, *tools]
    sources = [ROOT / "core/src/fledge/_version.py", *(ROOT / folder / "pyproject.toml" for folder in packages)]
    return made(session, f"minimum-{project['name']}", interpreter, [wanted], sources)


def plain_environment(session: nox.Session, name: str, requirements: list[str]) -> Path:
    """Make `.nox/<name>` with packages from the index alone and return its Python."""
    return made(session, name, sys.executable, [requirements], [])


def made(session: nox.Session, name: str, interpreter: str, installs: list[list[str]], sources: list[Path]) -> Path:
    """Make an environment, or bring it up to date, or take it as it is; the stamp is written last.

    The stamp's first line says where and of which Python it was made; when that changes, everything is made again.
    """
    place = ROOT / ".nox" / name
    python = bin_folder(place) / "python"
    stamp = place / "made-from"
    told = "\0".join([repr(installs), *(source.read_text(encoding="utf-8") for source in sources)])
    wanted = f"{interpreter} for {ROOT}\n{hashlib.sha256(told.encode()).hexdigest()}\n"
    found = stamp.read_text(encoding="utf-8") if stamp.exists() and python.exists() else ""
    if found == wanted:
        return python
    if found.partition("\n")[0] != wanted.partition("\n")[0]:
        session.log(f"making the environment {place}; the first time it downloads for some minutes")
        shutil.rmtree(place, ignore_errors=True)
        session.run(interpreter, "-m", "venv", str(place))
    for requirements in filter(None, installs):
        session.run(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)
    stamp.write_text(wanted, encoding="utf-8")
    return python


@contextmanager
def all_of(session: nox.Session, name: str) -> Iterator[Callable[[Callable[[], object], str], None]]:
    """Run every check of a session even when one fails; the session fails at the end and names those that did."""
    failed = []

    def check(work: Callable[[], object], what: str) -> None:
        try:
            work()
        except nox.command.CommandFailed:
            failed.append(what)

    yield check
    if failed:
        session.error(f"{name}: {', '.join(failed)}")


def run_in(session: nox.Session, python: Path, *arguments: str) -> None:
    """Run a Python of ours as if its environment were active."""
    path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])
    session.run(str(python), *arguments, env={"PATH": path, "VIRTUAL_ENV": str(python.parent.parent)})


def find_interpreter(version: str) -> str | None:
    """The path of a Python that runs and is of this version. A name on the PATH may be a shim that only fails."""
    candidates = [sys.executable, f"python{version}"]
    candidates += [str(path) for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    ask = "import sys; print(sys.executable, '%d.%d' % sys.version_info[:2], sep='\\n')"
    for candidate in candidates:
        try:
            told = subprocess.run([candidate, "-c", ask], capture_output=True, text=True, check=True).stdout.split("\n")
        except (OSError, subprocess.CalledProcessError):
            continue
        if told[1] == version:
            return told[0]
    return None


def bin_folder(place: Path) -> Path:
    """Where an environment keeps its commands."""
    return place / ("Scripts" if os.name == "nt" else "bin")


def editable(packages: tuple[str, ...]) -> list[str]:
    """Arguments for pip that install our packages from their folders."""
    return [argument for package in packages for argument in ("-e", f"./{package}")]


def lower_bound(requirement: str) -> str:
    """The version after `>=`; every dependency of ours names one."""
    found = re.search(r">=\s*([\w.]+)", requirement)
    assert found is not None, f"{requirement} has no lower bound"
    return found[1]


def resolved(session: nox.Session, *requirements: str) -> dict[str, str]:
    """What pip would install for these in an empty environment: name -> version."""
    report = Path(session.create_tmp()) / "report.json"
    options = ("--dry-run", "--ignore-installed", "--quiet", "--report", str(report))
    session.run("python", "-m", "pip", "install", *options, *requirements)
    found = [one["metadata"] for one in json.loads(report.read_text(encoding="utf-8"))["install"]]
    return {one["name"].lower(): one["version"] for one in found}


def group(name: str) -> list[str]:
    """The requirements of a dependency group of the root pyproject.toml."""
    return list(nox.project.dependency_groups(nox.project.load_toml(ROOT / "pyproject.toml"), name))


def ours_for(distribution: str) -> set[str]:
    """The distributions of ours that one of them is installed with, itself included."""
    names = {project["name"]: project for project in PROJECTS.values()}
    needed = {re.split(r"[\s<>=!~;\[(]", line)[0] for line in names[distribution]["dependencies"]} & set(names)
    return {distribution}.union(*(ours_for(name) for name in needed))
