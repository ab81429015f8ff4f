"""A first task: a typed function that is called as ever, and that Flyte can run.

`python examples/hello.py`, or `fledge run examples/hello.py:add --a 1 --b 41`.
"""

from __future__ import annotations

from fledge import SerializationSettings, task, task_template


@task(retries=2, cache=True)
def add(a: int, b: int = 1) -> int:
    return a + b


if __name__ == "__main__":
    print(add(a=1, b=41))

    template = task_template(add, SerializationSettings(project="p", domain="d", version="v"))
    print(f"{template.id.name}: {len(template.SerializeToString())} bytes for Flyte")
