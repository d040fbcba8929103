"""The faults, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from benchmarks.faults.strikes.base import Fault
from benchmarks.faults.strikes.clock import ClockJump
from benchmarks.faults.strikes.frozen import FrozenWorker
from benchmarks.faults.strikes.killed import (
    KilledApi,
    KilledBroker,
    KilledChild,
    KilledDatabase,
    KilledSweeper,
    KilledWorker,
)
from benchmarks.faults.strikes.network import CutFromBroker, CutFromDatabase
from benchmarks.faults.strikes.store import FullDisk, StoreAway

FAULTS: Final[Mapping[str, type[Fault]]] = MappingProxyType(
    {
        fault.name: fault
        for fault in (
            KilledChild,
            KilledWorker,
            KilledApi,
            KilledSweeper,
            KilledBroker,
            KilledDatabase,
            StoreAway,
            FullDisk,
            ClockJump,
            FrozenWorker,
            CutFromDatabase,
            CutFromBroker,
        )
    }
)
