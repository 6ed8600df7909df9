"""`streamer models sign`: your name under a model, for services that take signed ones only."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from streamer.artifacts import load_artifact
from streamer.behaviour.head_artifact import load_head
from streamer.commands.models.naming import folder_of
from streamer.detect.classifier_artifact import load_classifier
from streamer.errors import ConfigError
from streamer.model_folder import content_of
from streamer.model_kinds import HEADS, MANIFEST_FILE, kind_of
from streamer.model_signature import SIGNATURE_FILE, PublicKey, public_keys, refuse_unsigned, sign_manifest

Keys = tuple[PublicKey, ...]


def add_action(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Put this action beside the others."""
    parser = actions.add_parser(
        "sign",
        help="sign model folders with an SSH key, for services with model.trusted_keys",
        description="Checks the folder's files and hash, then writes manifest.json.sig beside the manifest, in which "
        "the graph's hash stands. `ssh-keygen -Y sign -f KEY -n streamer-model FOLDER/manifest.json` writes the same, "
        "for a key with a passphrase or in an agent too. Needs the extra 'signed'.",
    )
    parser.add_argument("models", type=Path, nargs="+", metavar="NAME|FOLDER", help="models that are here, any kind")
    parser.add_argument(
        "--key", type=Path, required=True, metavar="FILE", help="private key, Ed25519, as `ssh-keygen -t ed25519` makes"
    )
    parser.set_defaults(handler=_sign)


def _sign(args: argparse.Namespace) -> int:
    for model in args.models:
        folder = folder_of(model)
        content = content_of(folder / MANIFEST_FILE)
        _refuse_unsound(folder)  # nobody puts their name under what could not be run
        key = sign_manifest(folder, content, args.key)
        refuse_unsigned(folder, content_of(folder / MANIFEST_FILE), (key,))
        print(f"{folder / SIGNATURE_FILE}: signed by {key.fingerprint}")
    return 0


def trusted_by(wanted: Sequence[str]) -> Keys:
    """The public keys that a person names on the command line, each a file or its line. Raises ConfigError."""
    found: list[PublicKey] = []
    for each in wanted:
        lines = [each]
        if not each.startswith("ssh-"):
            try:
                lines = Path(each).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError([f"--trust {each}: cannot be read ({error}); name a public key file"]) from error
        try:
            keys = public_keys(lines)
        except ValueError as error:
            raise ConfigError([f"--trust {each}: {error}"]) from error
        if not keys:
            raise ConfigError([f"--trust {each}: holds no key"])
        found += keys
    return tuple(found)


def _refuse_unsound(folder: Path) -> None:
    """Raises ArtifactError."""
    kind = kind_of(folder)
    if kind in HEADS:
        load_head(folder).read_graph()
    elif kind == "classifier":
        load_classifier(folder).read_graph()
    else:
        load_artifact(folder).read_graph()
