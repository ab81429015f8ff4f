"""What a local run is told by its environment: the one place where `FLEDGE_*` variables are read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from fledge.lazy import lazy_logger

__all__ = ["VARIABLES", "LocalConfig", "start_logging"]

# Every variable of ours.
VARIABLES = (
    *("FLEDGE_CACHE", "FLEDGE_CACHE_DIR", "FLEDGE_CACHE_OVERWRITE", "FLEDGE_DISABLE_PLUGINS", "FLEDGE_LOG"),
    *("FLEDGE_SERIALIZED_WITH", "FLEDGE_TRACE_HOOKS"),
)

_log = lazy_logger("fledge.config")
_YES, _NO = ("1", "true", "t", "yes", "y", "on"), ("0", "false", "f", "no", "n", "off", "")


@dataclass(frozen=True)
class LocalConfig:
    """What a local run is told by its environment; docs/environment.md is the table of all variables."""

    cache_dir: str
    cache_enabled: bool = True
    cache_overwrite: bool = False
    disabled_plugins: frozenset[str] = frozenset()
    trace_hooks: bool = False
    log_level: str | None = None
    serialized_with: str | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> LocalConfig:
        """Read every `FLEDGE_*` variable, now. The cache is off under pytest unless FLEDGE_CACHE says otherwise."""
        return _as_before() if env is None else cls._read(env)

    @classmethod
    def _read(cls, env: Mapping[str, str]) -> LocalConfig:
        home = env.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        return cls(
            cache_dir=env.get("FLEDGE_CACHE_DIR") or home,
            cache_enabled=_flag(env, "FLEDGE_CACHE", default=not _is_under_pytest(env)),
            cache_overwrite=_flag(env, "FLEDGE_CACHE_OVERWRITE", default=False),
            disabled_plugins=frozenset(
                name.strip() for name in env.get("FLEDGE_DISABLE_PLUGINS", "").split(",") if name.strip()
            ),
            trace_hooks=_flag(env, "FLEDGE_TRACE_HOOKS", default=False),
            log_level=env.get("FLEDGE_LOG"),
            serialized_with=env.get("FLEDGE_SERIALIZED_WITH"),
        )


# Every variable that counts, also those that os.path.expanduser looks at.
_NAMES = (
    *(*VARIABLES, "PYTEST_CURRENT_TEST", "PYTEST_VERSION", "XDG_CACHE_HOME"),
    *("HOME", "HOMEDRIVE", "HOMEPATH", "USERPROFILE"),
)
_last: tuple[list[object], LocalConfig] | None = None


def _as_before() -> LocalConfig:
    """What the environment says, read anew only if one of the variables has changed.

    A cached task asks at each call. The mapping behind `os.environ` is compared as it is: asking `os.environ` itself
    for so many names costs as much as the call.
    """
    global _last  # noqa: PLW0603 - one process, one environment
    behind = getattr(os.environ, "_data", None)
    if behind is None:
        return LocalConfig.from_env(os.environ)
    found: list[object] = [behind.get(key) for key in _KEYS]
    last = _last
    if last is None or last[0] != found:
        last = _last = (found, LocalConfig.from_env(os.environ))
    return last[1]


_KEYS = [getattr(os.environ, "encodekey", str)(name) for name in _NAMES]


def start_logging() -> None:
    """For our own commands: what is logged goes to stderr, from the level that FLEDGE_LOG names on, else warnings."""
    import logging  # noqa: PLC0415 - commands only; a library that is imported logs nothing by itself

    root = logging.getLogger()
    is_ours = not root.handlers
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    level = (LocalConfig.from_env().log_level or "WARNING").upper()  # what this warns of has a handler by now
    if level not in logging._nameToLevel:  # noqa: SLF001 - getLevelNamesMapping came with Python 3.11
        logging.getLogger("fledge").warning("FLEDGE_LOG=%s is no level: DEBUG, INFO, WARNING, ERROR, CRITICAL", level)
    elif is_ours:
        root.setLevel(level)


def _is_under_pytest(env: Mapping[str, str]) -> bool:
    """pytest sets the first for its whole run from version 8.2 on, the second while a test runs."""
    return "PYTEST_VERSION" in env or "PYTEST_CURRENT_TEST" in env


def _flag(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    value = env.get(name)
    if value is None:
        return default
    word = value.strip().lower()
    if word not in (*_YES, *_NO):
        _log.warning("%s=%s is neither yes nor no, and counts as not set. Write 1 or 0", name, value)
        return default
    return word in _YES
