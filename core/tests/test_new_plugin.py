"""`fledge new-plugin`: what it makes passes its own tests, and a name that does not do is refused with the way out."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from core.tests.support import fresh_process
from fledge.cli.new_plugin_command import write_plugin


def _installed(folder: Path, distribution: str, points: str) -> None:
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def test_a_new_plugin_passes_its_tests(tmp_path: Path) -> None:
    made = write_plugin("my-owner", tmp_path)
    assert made == tmp_path / "fledge-my-owner"
    _installed(tmp_path / "site", "fledge-my-owner", "[fledge]\nmy-owner = fledge_my_owner.hooks\n")
    done = fresh_process(
        *("-m", "pytest", "-q", "-p", "no:cacheprovider", str(made)),
        cwd=made,
        python_path=(made / "src", tmp_path / "site"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


@pytest.mark.parametrize("name", ["My-Owner", "2nd", "a_b", "", "-a"])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(click.UsageError, match="use small letters, digits and dashes"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("distribution", "plugin"), [("fledge-shop", "shop"), ("somebodys-shop", "shop"), ("fledge-shop", "goods")]
)
@pytest.mark.parametrize("name", ["shop", "fledge-shop"])
def test_the_name_of_an_installed_plugin_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, distribution: str, plugin: str, name: str
) -> None:
    _installed(tmp_path / "site", distribution, f"[fledge]\n{plugin} = shop.hooks\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    with pytest.raises(click.UsageError) as caught:
        write_plugin(name, tmp_path)
    assert f"called so already: {plugin} ({distribution} 1.0). Choose another name" in str(caught.value)
    assert not (tmp_path / "fledge-shop").exists()


def test_a_folder_that_exists_is_left_alone(tmp_path: Path) -> None:
    write_plugin("my-owner", tmp_path)
    with pytest.raises(click.UsageError, match="exists already"):
        write_plugin("my-owner", tmp_path)
