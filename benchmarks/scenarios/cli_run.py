"""`fledge run file.py:add --a 1 --b 2`, whole process (floor: an argparse script)."""

from __future__ import annotations

from pathlib import Path

TARGET = 5.0
FLOOR = """
import argparse
def add(a: int, b: int) -> int:
    return a + b
parser = argparse.ArgumentParser(prog="floor", description="Add two numbers.")
parser.add_argument("--a", type=int, required=True, help="The first number")
parser.add_argument("--b", type=int, required=True, help="The second number")
given = parser.parse_args()
print("o0:", add(given.a, given.b))
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """`add` of a file of its own, through each one's console script."""
    for sdk in ("fledge", "flytekit"):
        text = f"from {sdk} import task\n\n\n@task\ndef add(a: int, b: int) -> int:\n    return a + b\n"
        (folder / f"{sdk}_file.py").write_text(text)
    inputs = ["--a", "1", "--b", "2"]
    return {
        "floor": ["-c", FLOOR, *inputs],
        "fledge": ["-c", "from fledge.cli import main; main()", "run", "fledge_file.py:add", *inputs],
        "flytekit": [
            *("-c", "from flytekit.clis.sdk_in_container.pyflyte import main; main()"),
            *("run", "flytekit_file.py", "add", *inputs),
        ],
    }
