"""Public SSH keys: read from what people send, checked by ssh-keygen, told in a form that can be compared.

This module owns which keys labd takes, and how each thing that people send instead of a key is answered. It never keeps
a private key, and never decides where a key goes.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from labd.common.commands import run
from labd.common.errors import Exit, LabdError
from labd.common.printable import one_line

_TYPES = {
    "ssh-ed25519": "ED25519",
    "ecdsa-sha2-nistp256": "ECDSA",
    "ecdsa-sha2-nistp384": "ECDSA",
    "ecdsa-sha2-nistp521": "ECDSA",
    "ssh-rsa": "RSA",
    "sk-ssh-ed25519@openssh.com": "ED25519-SK",
    "sk-ecdsa-sha2-nistp256@openssh.com": "ECDSA-SK",
}
_RSA_BITS = 2048  # what OpenSSH itself asks for by default is less (RequiredRSASize); NIST SP 800-131A asks for this
_SSH_KEYGEN_SECONDS = 30.0
_OWN_WORDS = "Ask for the .pub file, a line that begins with ssh-ed25519."
_MAKE_ONE = "Make a new one: ssh-keygen -t ed25519"
_PRIVATE = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|^PuTTY-User-Key-File-", re.MULTILINE)
_RFC4716 = re.compile(r"^---- BEGIN SSH2 PUBLIC KEY ----", re.MULTILINE)
_SHOWN = re.compile(r"(?P<bits>\d+) (?P<fingerprint>\S+) (?P<comment>.*) \((?P<kind>[A-Z0-9-]+)\)")


class KeyRefusedError(LabdError):
    """That is no key that labd takes."""

    exit_code = Exit.BAD_INPUT


@dataclass(frozen=True)
class PublicKey:
    """A key that labd takes."""

    type: str  # as it stands in the line: "ssh-ed25519"
    blob: str  # base64
    comment: str
    fingerprint: str  # "SHA256:…", as ssh-keygen and ssh show it
    kind: str  # "ED25519", "RSA 3072"

    @property
    def line(self) -> str:
        """As it stands in authorized_keys, without options."""
        return f"{self.type} {self.blob} {self.comment}".rstrip()


def parse(content: bytes, name: str) -> list[PublicKey]:
    """All keys in `content`, which people call `name`: an OpenSSH .pub file or a "SSH2 PUBLIC KEY" file.

    Byte-order marks, UTF-16 (PowerShell's `>`) and Windows line ends are fine. Raises KeyRefusedError that says what it
    is instead, and what to do.
    """
    text = _decoded(content, name)
    if _PRIVATE.search(text):
        raise KeyRefusedError(
            f"{name} is a PRIVATE key: it must never leave the computer of its owner.",
            "Delete this copy. If it came by mail or chat, its owner should make a new pair and send the .pub file. "
            'In PuTTYgen: load the .ppk file there, and copy the text below "Public key for pasting".',
        )
    if _RFC4716.search(text):
        text = _converted(text, name)
    keys = [_key(line, name) for line in _lines(text)]
    if not keys:
        raise KeyRefusedError(f"There is no key in {name}.", _OWN_WORDS)
    return list({key.fingerprint: key for key in keys}.values())


def described(file: Path) -> tuple[str, str]:
    """Kind and fingerprint of the public key in `file`: ("ED25519", "SHA256:…"). Raises KeyRefusedError."""
    shown = _shown(file)
    if shown is None:
        raise KeyRefusedError(f"ssh-keygen finds no key in {file}.")
    return shown["kind"], shown["fingerprint"]


def _decoded(content: bytes, name: str) -> str:
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"", "utf-8-sig")):
        if content.startswith(mark):
            try:
                return content.decode(encoding)
            except UnicodeDecodeError:
                break
    raise KeyRefusedError(f"{name} is not a text file.", _OWN_WORDS)


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line.strip()


def _key(line: str, name: str) -> PublicKey:
    kind, blob, *rest = [*line.split(None, 2), "", ""][:3]
    if kind not in _TYPES:
        raise _refusal(line, kind, name)
    shown = None
    if re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", blob):
        with tempfile.TemporaryDirectory(prefix="labd-key-") as folder:
            file = Path(folder) / "key.pub"
            file.write_text(f"{kind} {blob}\n")
            shown = _shown(file)
    if shown is None:
        raise KeyRefusedError(
            f"The {kind} key in {name} is damaged or incomplete.",
            "A key is one long line; mail programs break it or cut its end. Ask for the .pub file as an attachment.",
        )
    bits = int(shown["bits"])
    if kind == "ssh-rsa" and bits < _RSA_BITS:
        raise KeyRefusedError(f"The RSA key in {name} has {bits} bits, which is too weak.", _MAKE_ONE)
    comment = one_line("".join(rest))
    label = f"RSA {bits}" if kind == "ssh-rsa" else _TYPES[kind]
    return PublicKey(kind, blob, comment, shown["fingerprint"], label)


def _refusal(line: str, kind: str, name: str) -> KeyRefusedError:
    if kind == "ssh-dss":
        return KeyRefusedError(f"The key in {name} is a DSA key, which OpenSSH no longer takes.", _MAKE_ONE)
    if "-cert-v01@" in kind:
        return KeyRefusedError(f"{name} has a certificate in it, and not a key.", "Ask for the .pub file without -cert")
    if any(f" {known} " in f" {line} " or f"{known} AAAA" in line for known in _TYPES):
        return KeyRefusedError(
            f"There is something before the key in {name}: {line[:40]!r}.",
            "labd sets the options of a key itself. Leave only the key: its type, the long word, a comment.",
        )
    if re.fullmatch(r"[A-Za-z0-9+/=]{40,}", kind):
        return KeyRefusedError(
            f"The key in {name} is broken into several lines, or its beginning is missing.",
            "A key is one long line that begins with its type, such as ssh-ed25519.",
        )
    return KeyRefusedError(f"{name} is no public key: it begins with {line[:40]!r}.", _OWN_WORDS)


def _converted(text: str, name: str) -> str:
    """An RFC 4716 file, as PuTTYgen saves it, in OpenSSH's form."""
    with tempfile.TemporaryDirectory(prefix="labd-key-") as folder:
        file = Path(folder) / "key"
        file.write_text("\n".join(text.splitlines()) + "\n")
        done = run(["ssh-keygen", "-i", "-f", str(file)], timeout=_SSH_KEYGEN_SECONDS)
    if done.code != 0:
        raise KeyRefusedError(f"The key in {name} is damaged or incomplete.", _OWN_WORDS)
    comment = re.search(r'^Comment: "?([^"\n]*)', text, re.MULTILINE)
    return f"{done.output.strip()} {comment[1].strip() if comment else ''}"


def _shown(file: Path) -> re.Match[str] | None:
    done = run(["ssh-keygen", "-l", "-E", "sha256", "-f", str(file)], timeout=_SSH_KEYGEN_SECONDS)
    return _SHOWN.fullmatch(done.output.strip()) if done.code == 0 else None
