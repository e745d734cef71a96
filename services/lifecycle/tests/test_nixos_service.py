"""A whole lifecycle with HIVE_RUNTIME=nixos: every verb over the bus, on a stand-in NixOS host."""

import asyncio
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hivecommon.bus import Bus
from hivecommon.contracts.inbox import InboxMessage
from hivecommon.contracts.lifecycle import (
    Destroy,
    ListAgents,
    Rebuild,
    Rename,
    Restart,
    Start,
    Stop,
)
from hivecommon.contracts.roster import ContainerState
from hivecommon.names import AgentName, agent_port
from hivetesting.broker import running_broker
from hivetesting.nixos.bench import eventually, host_environ
from hivetesting.nixos.host import StandInHost, stand_in_host

PROJECT = Path(__file__).resolve().parents[3]

pytestmark = [pytest.mark.needs("bwrap", "flock")]
