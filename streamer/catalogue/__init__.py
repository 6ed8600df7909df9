"""The catalogue: well-known detectors under permissive licences, and how their files are fetched and proved."""

from streamer.catalogue.address import Address
from streamer.catalogue.download import Download, Patience, Watcher
from streamer.catalogue.entries import Entry, entry_named, read_catalogue
from streamer.catalogue.errors import DownloadFailed, PlaceUnusable
from streamer.catalogue.partial import Partial

__all__ = [
    "Address",
    "Download",
    "DownloadFailed",
    "Entry",
    "Partial",
    "Patience",
    "PlaceUnusable",
    "Watcher",
    "entry_named",
    "read_catalogue",
]
