"""What a server in a box takes over from this machine to reach packages: name servers, certificates, pip settings."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

from support.box.machine import Machine

CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
_PIP_SETTINGS = ("index-url", "extra-index-url", "find-links", "trusted-host", "proxy", "timeout", "retries")


def connect_to_the_world(server: Machine) -> None:
    """Let `server` reach what this machine reaches."""
    resolv = Path("/etc/resolv.conf").read_text()
    # Docker's own name server, at 127.0.0.11, is out of reach for containers in the box.
    if re.search(r"^nameserver (?!127\.)", resolv, re.MULTILINE):
        server.run("cat > /etc/resolv.conf", stdin=resolv)
    bundle = Path(os.environ.get("SSL_CERT_FILE", CA_BUNDLE))
    if bundle.is_file():
        server.run(f"cat > {CA_BUNDLE}", stdin=bundle.read_text())
    server.put("/etc/pip.conf", pip_settings())


def pip_settings() -> str:
    """A pip.conf with this machine's settings as far as they mean something on another machine."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = {"cert": CA_BUNDLE}
    # The environment comes last and counts more, as it does for pip.
    for key, quoted in re.findall(r"^(?:global|:env:)\.([a-z-]+)=(.*)$", listed, re.MULTILINE):
        words = str(ast.literal_eval(quoted)).split()
        remote = [word for word in words if not word.startswith(("/", "file:"))]
        if key in _PIP_SETTINGS and remote:
            settings[key] = " ".join(remote)
    return "\n".join(["[global]", *(f"{key} = {value}" for key, value in settings.items())]) + "\n"
