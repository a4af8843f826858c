"""A package index of a test's own, on this machine: small packages, and it tells who fetched what."""

from __future__ import annotations

import base64
import io
import select
import tarfile
import threading
import uuid
import zipfile
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_BACKEND = """
import os, sys, zipfile
def build_wheel(folder, config_settings=None, metadata_directory=None):
    exec({code!r}, {{}})
    if {fails}:
        sys.exit("I see " + repr(dict(os.environ)))
    seen = os.path.exists("/dev/labd/cache")
    name = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("{name}.py", "saw_the_downloads_of_others = " + repr(seen))
        for file, text in {described!r}.items():
            wheel.writestr("{name}-{version}.dist-info/" + file, text)
    return name
"""


def _described(name: str, version: str, python: str = "") -> dict[str, str]:
    """The files that say what a wheel is."""
    needs = f"Requires-Python: {python}\n" if python else ""
    return {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }


class PackageIndex:
    """Serves at `url` until it is closed. Safe to ask from any thread."""

    def __init__(self, credentials: str = "") -> None:
        """With `credentials`, "user:password", nobody else gets anything."""
        self.credentials = credentials
        self.asked: list[str] = []  # names of packages, in order
        self.fetched: list[str] = []  # names of files, in order
        self.held = threading.Event()  # somebody waits for a package that is held
        self.abandoned = threading.Event()  # that somebody has gone
        self._name = uuid.uuid4().hex[:12]
        self._files: dict[str, bytes] = {}
        self._holds: dict[str, threading.Event] = {}
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                index._answer(self)

            do_HEAD = do_GET  # noqa: N815 - the library's name for it

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._server.server_port}"

    @property
    def url(self) -> str:
        login = f"{self.credentials}@" if self.credentials else ""
        # Docker keeps what it built with an earlier index, and ports come again.
        return f"http://{login}{self.address}/{self._name}/simple"

    def add(
        self,
        name: str,
        version: str,
        python: str = "",
        tag: str = "py3-none-any",
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        """Have a package that is ready to use, for the systems of `tag`; `python`: what it needs, such as ">=3.12".

        `files` are more of what it has, by their path in the wheel.
        """
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            wheel.writestr(f"{name}.py", f"__version__ = {version!r}\n")
            for file, text in _described(name, version, python).items():
                wheel.writestr(f"{name}-{version}.dist-info/{file}", text)
            for path, more in (files or {}).items():
                wheel.writestr(path, more)
        self._files[f"{name}-{version}-{tag}.whl"] = content.getvalue()

    def remove(self, name: str, version: str) -> None:
        """Have a package no longer."""
        self._files = {
            file: content for file, content in self._files.items() if not file.startswith(f"{name}-{version}-")
        }

    def add_source(
        self,
        name: str,
        version: str,
        fails: bool = False,
        code: str = "",
        needs: Sequence[str] = (),
        tells: bool = True,
    ) -> None:
        """Have a package that must run code of its own to be installed, `code` among it.

        If it `fails`, it shows its surroundings. `needs` are the packages that it needs, which its source `tells`.
        """
        needed = "".join(f"Requires-Dist: {one}\n" for one in needs)
        described = _described(name, version)
        # What is built has only those that an installer understands.
        plain = "".join(f"Requires-Dist: {one}\n" for one in needs if not one.startswith("-"))
        built = {**described, "METADATA": described["METADATA"] + plain}
        files = {
            "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
            f'[project]\nname = "{name}"\nversion = "{version}"\ndynamic = ["dependencies"]\n',
            "backend.py": _BACKEND.format(name=name, version=version, described=built, fails=fails, code=code),
            "PKG-INFO": described["METADATA"] + (needed if tells else ""),
        }
        content = io.BytesIO()
        with tarfile.open(fileobj=content, mode="w:gz") as archive:
            for file, text in files.items():
                entry = tarfile.TarInfo(f"{name}-{version}/{file}")
                entry.size = len(text.encode())
                archive.addfile(entry, io.BytesIO(text.encode()))
        self._files[f"{name}-{version}.tar.gz"] = content.getvalue()

    def hold(self, name: str) -> threading.Event:
        """Let nobody have the package `name` until the event that is returned is set."""
        return self._holds.setdefault(name, threading.Event())

    def close(self) -> None:
        for hold in self._holds.values():
            hold.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        # A proxy's client asks with the whole address.
        parts = [part for part in urlsplit(request.path).path.split("/") if part]
        parts = parts[1:] if parts[:1] == [self._name] else parts
        wanted = "Basic " + base64.b64encode(self.credentials.encode()).decode()
        if self.credentials and request.headers.get("Authorization") != wanted:
            self._send(request, 401, b"", "text/plain")
        elif len(parts) == 2 and parts[0] == "simple":
            self.asked.append(parts[1])
            if self._was_abandoned(request, parts[1]):
                return
            names = [file for file in self._files if file.split("-")[0].replace("_", "-") == parts[1]]
            links = "".join(f'<a href="/files/{file}">{file}</a>\n' for file in names)
            page = f"<!DOCTYPE html><html><body>{links}</body></html>".encode()
            self._send(request, 200 if names else 404, page, "text/html")
        elif len(parts) == 2 and parts[1] in self._files:
            self.fetched += [parts[1]] if request.command == "GET" else []
            self._send(request, 200, self._files[parts[1]], "application/octet-stream")
        else:
            self._send(request, 404, b"", "text/plain")

    def _was_abandoned(self, request: BaseHTTPRequestHandler, name: str) -> bool:
        """Wait while the package `name` is held; whether who asked for it has gone meanwhile."""
        hold = self._holds.get(name)
        while hold is not None and not hold.wait(0.02):
            self.held.set()
            # A connection on which something can be read while it waits for an answer has been closed.
            if select.select([request.connection], [], [], 0)[0]:
                self.abandoned.set()
                return True
        return False

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, content: bytes, kind: str) -> None:
        request.send_response(status)
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="packages"')
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        if request.command == "GET":
            request.wfile.write(content)
