"""Importing this tells a pipe, and never ends."""

from __future__ import annotations

import os
import threading

with open(os.environ["TEST_FIFO"], "w") as file:
    file.write("!")
threading.Event().wait()
