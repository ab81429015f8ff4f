"""Writes fledge_pod/pod_fields.json: the fields of a PodSpec and of all in it. Run it where kubernetes is installed.

    python make_pod_fields.py

Model -> JSON name of a field -> its type as the models write it, with `!` where Kubernetes needs the field.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import kubernetes

from fledge_pod.pod_fields import installed_fields

FILE = Path(__file__).parents[1] / "src/fledge_pod/pod_fields.json"


def table() -> dict[str, dict[str, str]]:
    """Every model that a PodSpec leads to."""
    found: dict[str, dict[str, str]] = {}
    waiting = ["V1PodSpec"]
    while waiting:
        model = waiting.pop()
        if model not in found:
            found[model] = dict(sorted(installed_fields(model).items()))
            for kind in found[model].values():
                waiting += re.findall(r"\b(?!List|Dict)[A-Z]\w+", kind)
    return dict(sorted(found.items()))


def main() -> None:
    told = {"kubernetes": kubernetes.__version__, "models": table()}
    FILE.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
