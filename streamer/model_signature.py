"""Model folders that were signed: whose key says that this manifest, and by the hash in it this graph, is theirs.

The signature lies beside the manifest as `manifest.json.sig`, in the form of OpenSSH (PROTOCOL.sshsig), so that anybody
with a key for SSH can sign, and see for themselves, with nothing of ours:

    ssh-keygen -Y sign -f KEY -n streamer-model FOLDER/manifest.json

Ed25519 (RFC 8032) alone. A signature says who, not when and not under which name: an older model of the same hand, put
back in the place of a newer one, is still signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streamer.errors import ArtifactError, ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SIGNATURE_FILE = "manifest.json.sig"
NAMESPACE = "streamer-model"
"""What was signed for: a signature that the same key made for mail or for git is none for a model."""

_MAGIC, _VERSION, _KIND = b"SSHSIG", 1, b"ssh-ed25519"
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
_HASHES = {b"sha512": hashlib.sha512, b"sha256": hashlib.sha256}
_KEY_BYTES, _SIGNATURE_BYTES, _MOST_BYTES, _LINE = 32, 64, 16_384, 70


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Whoever holds the other half may sign models. public: 32 bytes."""

    public: bytes

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(_key_blob(self.public)).digest()).decode().rstrip("=")


def public_key(line: str) -> PublicKey:
    """The key in a line of an OpenSSH public key file, `ssh-ed25519 AAAA… comment`. Raises ValueError."""
    words = line.split()
    if len(words) < 2 or words[0] != _KIND.decode() or "\n" in line.strip():
        raise ValueError("should be one line of an OpenSSH public key file: ssh-ed25519 AAAA… comment")
    try:
        kind, key = _strings(base64.b64decode(words[1], validate=True), 2)
    except (ValueError, binascii.Error) as error:
        raise ValueError("should be a whole OpenSSH public key; what follows ssh-ed25519 is cut or damaged") from error
    if kind != _KIND or len(key) != _KEY_BYTES:
        raise ValueError("should be an Ed25519 key; what follows ssh-ed25519 is a key of another kind")
    return PublicKey(key)


def public_keys(lines: Sequence[str]) -> tuple[PublicKey, ...]:
    """The keys in such lines, those without one left out. Raises ValueError."""
    return tuple(public_key(line) for line in lines if line.strip() and not line.lstrip().startswith("#"))


def refuse_unsigned(folder: Path, manifest: bytes, trusted: Sequence[PublicKey]) -> PublicKey:
    """The trusted key that signed these bytes of the folder's manifest.

    Raises ArtifactError where there is no signature, a damaged one, one by somebody else, or one of other bytes;
    ConfigError where what verifies is not installed.
    """
    path = folder / SIGNATURE_FILE
    known = ", ".join(key.fingerprint for key in trusted)
    try:
        with path.open("rb") as file:
            armoured = file.read(_MOST_BYTES)
    except FileNotFoundError as error:
        raise ArtifactError(
            f"{folder}: is not signed, and only models signed by {known} are accepted (model.trusted_keys). Whoever "
            f"holds that key signs it: streamer models sign {folder} --key KEY"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        key, signature, signed = _read(armoured, manifest)
    except ValueError as error:
        raise ArtifactError(f"{path}: is no signature of a model: {error}") from error
    if key not in trusted:
        raise ArtifactError(
            f"{folder}: is signed by {key.fingerprint}, which is not trusted; accepted is {known} (model.trusted_keys)"
        )
    if not _verified(key, signature, signed):
        raise ArtifactError(
            f"{folder}: its manifest is not what {key.fingerprint} signed: manifest.json or {SIGNATURE_FILE} was "
            "changed or comes from another model; fetch both again, or have it signed again"
        )
    return key


def sign_manifest(folder: Path, manifest: bytes, key_file: Path) -> PublicKey:
    """Write the signature of these bytes beside the manifest, in the place of an older one.

    Raises ConfigError where the key cannot be used, ArtifactError where the folder cannot be written.
    """
    private = _private_key(key_file)
    public = private.public_key().public_bytes_raw()
    signature = private.sign(_signed(manifest, NAMESPACE.encode(), b"sha512"))
    blob = _MAGIC + struct.pack(">I", _VERSION)
    parts = (_key_blob(public), NAMESPACE.encode(), b"", b"sha512", _joined(_KIND, signature))
    text = base64.b64encode(blob + _joined(*parts)).decode()
    lines = [_BEGIN, *(text[at : at + _LINE] for at in range(0, len(text), _LINE)), _END, ""]
    path, beside = folder / SIGNATURE_FILE, folder / f".{SIGNATURE_FILE}.new"
    try:
        beside.write_text("\n".join(lines), encoding="ascii")
        os.replace(beside, path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ArtifactError(
            f"{path}: cannot be written: {error.strerror or error}; copy the folder to where you may write, sign it "
            "there and name it by its path"
        ) from error
    return PublicKey(public)


def _read(armoured: bytes, manifest: bytes) -> tuple[PublicKey, bytes, bytes]:
    """Who says to have signed, the signature, and the bytes that it must be of. Raises ValueError."""
    text = armoured.decode("ascii", "replace").strip()
    if not (text.startswith(_BEGIN) and text.endswith(_END)) or len(armoured) >= _MOST_BYTES:
        raise ValueError("it is not what `ssh-keygen -Y sign` and `streamer models sign` write")
    try:
        blob = base64.b64decode("".join(text[len(_BEGIN) : -len(_END)].split()), validate=True)
    except binascii.Error as error:
        raise ValueError("its text is damaged") from error
    head = _MAGIC + struct.pack(">I", _VERSION)
    if not blob.startswith(head):
        raise ValueError("it is of another version of OpenSSH's format")
    key, namespace, _, algorithm, signature = _strings(blob[len(head) :], 5)
    if namespace != NAMESPACE.encode():
        raise ValueError(f"it was made for {namespace.decode('utf-8', 'replace')!r}; ssh-keygen wants -n {NAMESPACE}")
    kind, public = _strings(key, 2)
    kind_again, raw = _strings(signature, 2)
    if (kind, kind_again, len(public), len(raw)) != (_KIND, _KIND, _KEY_BYTES, _SIGNATURE_BYTES):
        raise ValueError("it was made with a key that is not Ed25519 (ssh-keygen -t ed25519)")
    if algorithm not in _HASHES:
        raise ValueError("it names a hash that OpenSSH does not use")
    return PublicKey(public), raw, _signed(manifest, namespace, algorithm)


def _signed(manifest: bytes, namespace: bytes, algorithm: bytes) -> bytes:
    return _MAGIC + _joined(namespace, b"", algorithm, _HASHES[algorithm](manifest).digest())


def _key_blob(public: bytes) -> bytes:
    return _joined(_KIND, public)


def _joined(*parts: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(part)) + part for part in parts)


def _strings(blob: bytes, count: int) -> list[bytes]:
    """So many strings of RFC 4251, and nothing behind them. Raises ValueError."""
    found, at = [], 0
    for _ in range(count):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            raise ValueError("it is cut short")
        found.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    if at != len(blob):
        raise ValueError("something follows behind its end")
    return found


def _verified(key: PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError as error:
        raise _not_installed() from error
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _private_key(file: Path) -> Ed25519PrivateKey:
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
    except ImportError as error:
        raise _not_installed() from error
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ConfigError([f"{file}: cannot be read: {error.strerror or error}; name a private key"]) from error
    load = load_ssh_private_key if b"BEGIN OPENSSH PRIVATE KEY" in content else load_pem_private_key
    try:
        key = load(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ConfigError(
            [
                f"{file}: is no private key that can be used as it is. One with a passphrase, or in an agent, signs by "
                f"ssh-keygen -Y sign -f KEY -n {NAMESPACE} FOLDER/manifest.json; `ssh-keygen -t ed25519` makes one"
            ]
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError([f"{file}: is a key of another kind than Ed25519: `ssh-keygen -t ed25519` makes one"])
    return key


def _not_installed() -> ConfigError:
    return ConfigError(
        ["signatures of models need the package cryptography, which is not installed: pip install 'streamer[signed]'"]
    )
