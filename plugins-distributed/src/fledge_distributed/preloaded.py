"""What every rank of a task needs before the user's code: imported once in the zygote, shared by all ranks.

Importing starts no thread and reads no environment, so a fork afterwards is safe and the ranks stay free to differ.
"""

from __future__ import annotations

import cloudpickle
import flyteidl.core.literals_pb2
import google.protobuf.json_format

import fledge.hooks.loading
import fledge.hooks.manager
import fledge.wiring
from fledge_distributed import rank_run

__all__ = ["MODULES"]

MODULES = (cloudpickle, fledge.hooks.loading, fledge.hooks.manager, fledge.wiring, flyteidl.core.literals_pb2,
           google.protobuf.json_format, rank_run)  # fmt: skip
