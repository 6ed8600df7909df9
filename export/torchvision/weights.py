"""Where the numbers of a net come from: weights that torchvision publishes, or a checkpoint file of one's own."""

from __future__ import annotations

import argparse
import http.client
import pickle
import socket
import urllib.error
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import torch

from export.torchvision.known import Known
from export.torchvision.operators import import_torchvision
from streamer.errors import ArtifactError, ConfigError, StreamerError
from streamer.model_folder import sha256_of

torchvision = import_torchvision()

_WITHIN = ("model", "state_dict")
_WRAPPED = "module."
NAMELESS = ("__background__", "N/A")
"""What torchvision calls class ids that never come out."""


class WeightsUnreachable(StreamerError):
    """Published weights could not be fetched; the message says where they are and what to do without a network."""


@dataclass(frozen=True, slots=True)
class Published:
    """One set of weights as torchvision publishes it.

    name: 'COCO_V1'; address: of the file, whose name ends in the first digits of its sha256; labels by class id, "" for
    the background and for ids that COCO leaves out; coco_ap: box AP on COCO val2017 in percent as published, if it is.
    """

    name: str
    address: str
    labels: tuple[str, ...]
    recipe: str
    coco_ap: float | None

    @property
    def file_name(self) -> str:
        """ssdlite320_mobilenet_v3_large_coco-a79551df.pth"""
        return PurePosixPath(urlsplit(self.address).path).name

    @property
    def hash_begins(self) -> str:
        """The first hex digits of the file's sha256."""
        return self.file_name.removesuffix(".pth").rpartition("-")[2]


def published_for(known: Known) -> dict[str, Published]:
    """Every published set of weights of a net by its name; 'DEFAULT' is another name of the best one."""
    members = torchvision.models.get_model_weights(known.name).__members__
    return {name: _published(member) for name, member in members.items()}


def published_named(known: Known, name: str) -> Published:
    """Raises ConfigError that names those there are."""
    there = published_for(known)
    if name not in there:
        raise ConfigError([f"--weights: {known.name} has no published weights '{name}'; it has {', '.join(there)}"])
    return there[name]


def recognised(known: Known, file: Path) -> Published | None:
    """The published weights that a local file is, if it is any: by its hash, whatever it is called."""
    found = sha256_of(file)
    return next((each for each in published_for(known).values() if found.startswith(each.hash_begins)), None)


def fetch(weights: Published, known: Known, stall_s: float = 8.0) -> Path:
    """The file of published weights: where torchvision keeps it, fetched if it is not there yet.

    stall_s: how long to wait for the connection and for each next byte.
    Raises WeightsUnreachable where it cannot be had, ArtifactError where the file that is there is another one.
    """
    file = Path(torch.hub.get_dir()) / "checkpoints" / weights.file_name
    if not file.exists():
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with _stalling_at_most(stall_s):
                torch.hub.download_url_to_file(weights.address, str(file), weights.hash_begins, progress=True)
        # RuntimeError: what came has another hash, and torch has deleted it.
        except (OSError, http.client.HTTPException, RuntimeError) as error:
            raise WeightsUnreachable(
                f"{known.name} {weights.name}: cannot be fetched from {weights.address} ({_why(error, stall_s)}). "
                f"Without network, fetch that file elsewhere, put it at {file} and run this again, or give it with "
                "--checkpoint FILE in place of --weights."
            ) from error
    if not (found := sha256_of(file)).startswith(weights.hash_begins):
        raise ArtifactError(
            f"{file}: not the published weights: its sha256 should begin with {weights.hash_begins}, it is {found}; "
            "delete the file and run this again"
        )
    return file


def read_checkpoint(file: Path) -> dict[str, torch.Tensor]:
    """The state_dict in a file of torch.save: bare, or as 'model' or 'state_dict' among other things.

    Only tensors and plain values are read; a file that holds other Python objects is refused, since reading those runs
    code out of the file. Raises ArtifactError, ConfigError where there is no such file.
    """
    if not file.is_file():
        raise ConfigError([f"--checkpoint: {file}: there is {'no file, but a folder' if file.is_dir() else 'no file'}"])
    try:
        # torchvision's own training script stores its arguments beside the weights.
        with torch.serialization.safe_globals([argparse.Namespace]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old ways of pickling; what cannot be read is said below
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ArtifactError(f"{file}: {_refused(str(error))}") from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, AttributeError, ImportError) as error:
        raise ArtifactError(f"{file}: not a file that torch.save wrote ({_first_line(error)})") from error
    state = next((content[key] for key in _WITHIN if _is_state(content, key)), content)
    if not isinstance(state, Mapping) or not state or not all(torch.is_tensor(each) for each in state.values()):
        keys = f" with {', '.join(map(str, list(content)[:6]))}" if isinstance(content, Mapping) else ""
        raise ArtifactError(
            f"{file}: holds no weights: expected a state_dict, bare or as 'model', found {type(content).__name__}{keys}"
        )
    if all(key.startswith(_WRAPPED) for key in state):  # saved from within DataParallel
        return {key.removeprefix(_WRAPPED): tensor for key, tensor in state.items()}
    return state if isinstance(state, dict) else dict(state)


def _published(member: Any) -> Published:
    meta = member.meta
    labels = tuple("" if name in NAMELESS else name for name in meta["categories"])
    coco_ap = meta.get("_metrics", {}).get("COCO-val2017", {}).get("box_map")
    return Published(member.name, member.url, labels, meta.get("recipe", ""), coco_ap)


def _is_state(content: object, key: str) -> bool:
    return isinstance(content, Mapping) and isinstance(content.get(key), Mapping)


@contextmanager
def _stalling_at_most(seconds: float) -> Iterator[None]:
    """torch.hub waits for ever; urllib falls back on this where nobody names a limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _why(error: Exception, stall_s: float) -> str:
    cause = error.reason if isinstance(error, urllib.error.URLError) and not hasattr(error, "code") else error
    if isinstance(cause, TimeoutError):
        return f"nothing came for {stall_s:g} s"
    return _first_line(cause)


def _refused(said: str) -> str:
    named = next((line for line in said.splitlines() if "GLOBAL " in line), "")
    if not named:
        return "not a file that torch.save wrote"
    what = named.partition("GLOBAL ")[2].split()[0].rstrip(".,")
    return (
        f"holds a Python object ({what}) besides tensors, and reading it could run code out of the file; "
        "save the weights alone: torch.save(net.state_dict(), FILE)"
    )


def _first_line(error: object) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
