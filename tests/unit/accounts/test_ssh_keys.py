from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.accounts import key_files, ssh_keys
from labd.accounts.ssh_keys import KeyRefusedError, parse
from labd.common.printable import one_line

pytestmark = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="needs OpenSSH's client")

MakeKey = Callable[..., Path]


@pytest.fixture(scope="module")
def make_key(tmp_path_factory: pytest.TempPathFactory) -> MakeKey:
    """Makes real key pairs; the path of the private half. Each kind is made once."""
    made: dict[tuple[str, ...], Path] = {}

    def make(*options: str) -> Path:
        if options not in made:
            file = tmp_path_factory.mktemp("key") / "key"
            command = ["ssh-keygen", "-q", "-N", "", "-C", "ana@laptop", *options, "-f", str(file)]
            subprocess.run(command, check=True)
            made[options] = file
        return made[options]

    return make


def public(file: Path) -> bytes:
    return file.with_name("key.pub").read_bytes()


def refusal(content: bytes | str) -> str:
    with pytest.raises(KeyRefusedError) as caught:
        parse(content if isinstance(content, bytes) else content.encode(), "ana.pub")
    assert caught.value.hint
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("options", "kind"),
    [(("-t", "ed25519"), "ED25519"), (("-t", "ecdsa"), "ECDSA"), (("-t", "rsa", "-b", "2048"), "RSA 2048")],
)
def test_a_key_is_what_ssh_keygen_says_of_it(make_key: MakeKey, options: tuple[str, ...], kind: str) -> None:
    file = make_key(*options)
    (key,) = parse(public(file), "ana.pub")
    shown = subprocess.run(["ssh-keygen", "-l", "-f", str(file)], capture_output=True, text=True, check=True).stdout
    assert key.kind == kind
    assert key.fingerprint == shown.split()[1]
    assert key.line == public(file).decode().strip()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_files_that_powershell_and_notepad_wrote_are_read(make_key: MakeKey, encoding: str) -> None:
    text = public(make_key("-t", "ed25519")).decode().replace("\n", "\r\n")
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    assert parse(mark + text.encode(encoding), "ana.pub") == parse(public(make_key("-t", "ed25519")), "ana.pub")


def test_what_puttygen_saves_as_a_public_key_is_converted(make_key: MakeKey) -> None:
    file = make_key("-t", "ed25519")
    command = ["ssh-keygen", "-e", "-m", "RFC4716", "-f", str(file)]
    saved = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert saved.startswith("---- BEGIN SSH2 PUBLIC KEY ----")
    (key,) = parse(saved.replace("\n", "\r\n").encode(), "ana.pub")
    assert key.fingerprint == parse(public(file), "ana.pub")[0].fingerprint


def test_several_keys_can_be_in_a_file_and_each_counts_once(make_key: MakeKey) -> None:
    both = public(make_key("-t", "ed25519")) + b"\n# the old one\n" + public(make_key("-t", "ecdsa"))
    assert [key.kind for key in parse(both + both, "ana.pub")] == ["ED25519", "ECDSA"]


@pytest.mark.parametrize("form", ["OPENSSH", "PEM", "PKCS8"])
def test_a_private_key_is_refused_with_a_warning(make_key: MakeKey, tmp_path: Path, form: str) -> None:
    private = make_key("-t", "rsa", "-b", "2048")
    if form != "OPENSSH":
        private = Path(shutil.copy(private, tmp_path / "key"))
        subprocess.run(["ssh-keygen", "-q", "-p", "-N", "", "-m", form, "-f", str(private)], check=True)
    assert "PRIVATE key" in refusal(private.read_bytes())


def test_a_putty_file_is_a_private_key() -> None:
    told = refusal("PuTTY-User-Key-File-3: ssh-ed25519\r\nEncryption: none\r\nComment: ana\r\n")
    assert "PRIVATE key" in told
    assert "Public key for pasting" in told


def test_a_weak_rsa_key_is_refused(make_key: MakeKey) -> None:
    assert "1024 bits" in refusal(public(make_key("-t", "rsa", "-b", "1024")))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("ssh-dss AAAAB3NzaC1kc3MAAACBAJ ana", "DSA"),
        ("ssh-ed25519-cert-v01@openssh.com AAAAIHNzaC1lZDI1NTE5LWNlcnQ ana", "certificate"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA ana", "damaged or incomplete"),
        ("ssh-ed25519 ana", "damaged or incomplete"),
        ("AAAAC3NzaC1lZDI1NTE5AAAAIB9GQPWwTONy0UmUSfIgFcHOQiw7jd2buYixJIqvMvAP ana", "its beginning is missing"),
        ("Dear administrator,", "no public key"),
        ("", "no key"),
        (b"\x00\xff\x00", "not a text file"),
    ],
)
def test_what_is_no_key_is_answered_with_what_it_is(content: str | bytes, why: str) -> None:
    assert why in refusal(content)


@pytest.mark.parametrize("options", ['command="/bin/sh" ', "no-pty,", 'environment="A=B",cert-authority '])
def test_options_before_a_key_are_refused(make_key: MakeKey, options: str) -> None:
    assert "before the key" in refusal(options + public(make_key("-t", "ed25519")).decode())


def test_a_key_that_a_mail_program_broke_is_refused(make_key: MakeKey) -> None:
    text = public(make_key("-t", "rsa", "-b", "2048")).decode()
    assert "damaged or incomplete" in refusal(f"{text[:76]}\n{text[76:]}")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_a_comment_can_hold_nothing_that_ends_its_line(comment: str) -> None:
    key = ssh_keys.PublicKey("ssh-ed25519", "AAAA", one_line(comment), "SHA256:x", "ED25519")
    assert len(key.line.splitlines()) == 1


@pytest.mark.parametrize("junk", [b"ssh-rsa " + b"A" * 5000, b"\xef\xbb\xbf", b"ssh-ed25519 " + b"=" * 8, b"\n\n"])
def test_junk_is_refused_in_words(junk: bytes) -> None:
    assert refusal(junk)


@pytest.mark.parametrize("shell", [False, True])
def test_keys_come_back_from_their_file_whatever_their_comment(
    make_key: MakeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: bool
) -> None:
    monkeypatch.setattr(key_files, "KEYS", tmp_path)
    line = public(make_key("-t", "ed25519")).decode().rpartition(" ")[0]
    keys = parse(f'{line} my "good" key = "a" b\n'.encode(), "k")
    key_files.write("ana-silva", keys, shell)
    assert key_files.read("ana-silva") == keys
