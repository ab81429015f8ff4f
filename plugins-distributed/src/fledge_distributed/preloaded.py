"""What every rank of a task needs before the user's code: imported once in the zygote, shared by all ranks.

Importing starts no thread and reads no environment, so a fork afterwards is safe and the ranks stay free to differ.
Hook modules of other plugins are not among them: they may read the environment.
"""

from __future__ import annotations

import importlib.resources
import logging
import tempfile

import cloudpickle
import flyteidl.core.literals_pb2
import google.protobuf.json_format

import fledge.decorators
import fledge.hooks.loading
import fledge.hooks.manager
import fledge.settings
import fledge.wiring
from fledge_distributed import hooks, rank_run

__all__ = ["MODULES"]

MODULES = (cloudpickle, fledge.decorators, fledge.hooks.loading, fledge.hooks.manager, fledge.settings, fledge.wiring,
           flyteidl.core.literals_pb2, google.protobuf.json_format, hooks, importlib.resources, logging, rank_run,
           tempfile)  # fmt: skip
