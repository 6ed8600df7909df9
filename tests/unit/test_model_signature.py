"""Signatures of models: what ssh-keygen wrote is taken, anything else about it is refused with a sentence."""

from __future__ import annotations

import base64
import builtins
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ArtifactError, ConfigError
from streamer.model_signature import NAMESPACE, SIGNATURE_FILE, public_key, public_keys, refuse_unsigned, sign_manifest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFjarFycBEEEZq2dtcnxBLaKaaTV9Mxn+xjaKl+k1vQd release@house"
FINGERPRINT = "SHA256:qS4mDW1qPJnhG8mjUUZ/1mpMdOiqhpUZdL/FI/xnlxU"
OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
MANIFEST = b'{"name": "tiny"}\n'
SIGNATURE = """-----BEGIN SSH SIGNATURE-----
U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgWNqsXJwEQQRmrZ21yfEEtopppN
X0zGf7GNoqX6TW9B0AAAAOc3RyZWFtZXItbW9kZWwAAAAAAAAABnNoYTUxMgAAAFMAAAAL
c3NoLWVkMjU1MTkAAABApO2FZak0aWxDVhQImbh1v7dG8ylgnvl+0FK8S9EGNvusDFKYkA
8+ITkZM0N6vN2a+YT98ReXgVUfoUGtXGrSDg==
-----END SSH SIGNATURE-----
"""
"""Written by ssh-keygen of OpenSSH 9.2 with a key that was thrown away, as were KEY and FINGERPRINT."""


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    (tmp_path / SIGNATURE_FILE).write_text(SIGNATURE)
    return tmp_path


def test_what_ssh_keygen_signed_is_taken_and_named_as_it_names_it(signed: Path) -> None:
    assert refuse_unsigned(signed, MANIFEST, public_keys([OTHER_KEY, KEY])).fingerprint == FINGERPRINT


def test_without_a_signature_the_sentence_says_whose_is_wanted_and_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not signed") as refused:
        refuse_unsigned(tmp_path, MANIFEST, public_keys([KEY]))
    assert FINGERPRINT in str(refused.value)
    assert "streamer models sign" in str(refused.value)


def test_another_hand_is_not_trusted_and_both_are_named(signed: Path) -> None:
    [other] = public_keys([OTHER_KEY])
    with pytest.raises(ArtifactError, match="which is not trusted") as refused:
        refuse_unsigned(signed, MANIFEST, (other,))
    assert FINGERPRINT in str(refused.value)
    assert other.fingerprint in str(refused.value)


def test_a_changed_manifest_is_not_what_was_signed(signed: Path) -> None:
    with pytest.raises(ArtifactError, match="is not what SHA256"):
        refuse_unsigned(signed, MANIFEST.replace(b"tiny", b"evil"), public_keys([KEY]))


def test_a_signature_with_any_one_bit_changed_is_refused(signed: Path) -> None:
    sound = base64.b64decode("".join(SIGNATURE.splitlines()[1:-1]))
    for bit in range(8 * len(sound)):
        blob = bytearray(sound)
        blob[bit // 8] ^= 1 << bit % 8
        text = f"-----BEGIN SSH SIGNATURE-----\n{base64.b64encode(blob).decode()}\n-----END SSH SIGNATURE-----\n"
        (signed / SIGNATURE_FILE).write_text(text)
        with pytest.raises(ArtifactError):
            refuse_unsigned(signed, MANIFEST, public_keys([KEY]))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda text: "", "it is not what"),
        (lambda text: text[:150], "it is not what"),
        (lambda text: text.replace("U1NIU0lH", "U1NIU0l="), "damaged"),
        (lambda text: text.replace("U1NIU0lHAAAAAQ", "U1NIU0lHAAAAAg"), "another version"),
        (lambda text: text + "x" * 20_000, "it is not what"),
    ],
)
def test_what_is_no_signature_is_told_so(signed: Path, change: Any, sentence: str) -> None:
    (signed / SIGNATURE_FILE).write_text(change(SIGNATURE))
    with pytest.raises(ArtifactError, match=sentence):
        refuse_unsigned(signed, MANIFEST, public_keys([KEY]))


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("release.pub", "one line of an OpenSSH public key file"),
        ("ssh-ed25519", "one line"),
        (f"{KEY}\n{OTHER_KEY}", "one line"),
        ("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ", "one line of an OpenSSH public key file: ssh-ed25519"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFja", "cut or damaged"),
        ("ssh-ed25519 !!!!", "cut or damaged"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE4AAAAIFjarFycBEEEZq2dtcnxBLaKaaTV9Mxn+xjaKl+k1vQd", "another kind"),
    ],
)
def test_what_is_no_public_key_is_refused(line: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        public_key(line)


def test_without_the_package_that_verifies_nothing_is_believed(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("cryptography"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"pip install 'streamer\[signed\]'"):
        refuse_unsigned(signed, MANIFEST, public_keys([KEY]))
    with pytest.raises(ConfigError, match=r"pip install 'streamer\[signed\]'"):
        sign_manifest(signed, MANIFEST, signed / "key")


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="ssh-keygen (openssh-client) is not installed")
def test_ssh_keygen_takes_what_we_sign_and_we_take_what_it_signs(tmp_path: Path) -> None:
    def ssh_keygen(*words: object, text: bytes = b"") -> str:
        command = ["ssh-keygen", *map(str, words)]
        done = subprocess.run(command, input=text, capture_output=True, check=True)
        return done.stdout.decode()

    key, manifest = tmp_path / "key", tmp_path / "manifest.json"
    ssh_keygen("-q", "-t", "ed25519", "-N", "", "-f", key)
    mine = public_keys((tmp_path / "key.pub").read_text().splitlines())
    manifest.write_bytes(MANIFEST)
    assert (sign_manifest(tmp_path, MANIFEST, key),) == mine
    (tmp_path / "signers").write_text(f"me {(tmp_path / 'key.pub').read_text()}")
    said = ssh_keygen("-Y", "verify", "-f", tmp_path / "signers", "-I", "me", "-n", NAMESPACE, "-s",
                      tmp_path / SIGNATURE_FILE, text=MANIFEST)  # fmt: skip
    assert mine[0].fingerprint in said
    (tmp_path / SIGNATURE_FILE).unlink()
    ssh_keygen("-Y", "sign", "-f", key, "-n", NAMESPACE, "-O", "hashalg=sha256", manifest)
    assert refuse_unsigned(tmp_path, MANIFEST, mine) == mine[0]
    (tmp_path / SIGNATURE_FILE).unlink()
    ssh_keygen("-Y", "sign", "-f", key, "-n", "file", manifest)
    with pytest.raises(ArtifactError, match="made for 'file'"):
        refuse_unsigned(tmp_path, MANIFEST, mine)
    ssh_keygen("-q", "-p", "-N", "a passphrase", "-f", key)
    with pytest.raises(ConfigError, match="ssh-keygen -Y sign"):
        sign_manifest(tmp_path, MANIFEST, key)
