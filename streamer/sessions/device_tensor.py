"""An input that lies in a device's memory already."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DeviceTensor:
    """Where it lies and what it is; owner: whoever keeps the memory alive."""

    address: int
    shape: tuple[int, ...]
    dtype: str
    owner: object
