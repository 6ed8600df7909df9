"""What the catalogue says about each model, read from the packaged file catalogue.json."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import PurePosixPath
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from streamer.artifacts import LayoutName
from streamer.errors import ConfigError

_Side = Annotated[int, Field(ge=1, le=8192)]


class Entry(BaseModel):
    """One detector that can be pulled. There is no entry without a hash: what has none is for `models adopt`.

    size_bytes   of the file at address; more is never fetched
    sha256_from  how the hash is known. "file": this project holds the file, runs it in its tests and hashed it;
                 "records": several unrelated public projects that fetched this address wrote down the same hash and
                 size, and this project has not fetched it itself
    layout       how streamer.detect.layouts reads its outputs; preprocessing is what streamer.detect.adopt takes from
                 the family's published code
    size         [width, height] of its input in pixels
    labels       "coco-80": COCO's 80 classes by class id 0-79
    coco_ap      AP on COCO val2017 at IoU 0.5:0.95 in percent as its authors publish it; None: not published for this
                 very file
    licence      SPDX identifier; its text is at licence_address
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=100)]
    title: str
    address: Annotated[str, Field(pattern=r"^https://[^/@]+/.*\.onnx$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(gt=0)]
    sha256_from: Literal["file", "records"]
    licence: str
    licence_address: str
    layout: LayoutName
    size: tuple[_Side, _Side]
    labels: Literal["coco-80"]
    coco_ap: Annotated[float, Field(gt=0, lt=100)] | None = None
    note: str = ""

    @property
    def file_name(self) -> str:
        """What the published file is called."""
        return PurePosixPath(urlsplit(self.address).path).name


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    models: tuple[Entry, ...]


def read_catalogue() -> dict[str, Entry]:
    """Every entry by its name, in the catalogue's order: by family, the smallest first."""
    text = resources.files("streamer.catalogue").joinpath("catalogue.json").read_bytes()
    return {entry.name: entry for entry in _Catalogue.model_validate_json(text).models}


def entry_named(name: str) -> Entry:
    """The entry of that name. Raises ConfigError that names those there are."""
    catalogue = read_catalogue()
    if name in catalogue:
        return catalogue[name]
    near = difflib.get_close_matches(name.lower().replace("_", "-"), catalogue, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    raise ConfigError([f"the catalogue has no model '{name}': {meant}It has {', '.join(catalogue)}."])
