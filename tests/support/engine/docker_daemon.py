"""A Docker engine of a test's own: its data, bridge, socket and process are gone afterwards, and nobody else's touched.

Beside it lie stand-ins for NVIDIA's parts, for a machine without a GPU: a hook and a runtime that note for which GPUs
they were called, and then do what the real ones do where there is nothing to add.
"""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from support.lab import wait_for

# Both read the container's own settings, as NVIDIA's do.
_HOOK = """#!/bin/sh
bundle=$(python3 -c 'import json, sys; print(json.load(sys.stdin)["bundle"])')
exec python3 {folder}/note.py {folder}/hook.log "$bundle"
"""
_RUNTIME = """#!/bin/sh
bundle=""; before=""
for word; do test "$before" = --bundle && bundle=$word; before=$word; done
test -n "$bundle" && python3 {folder}/note.py {folder}/runtime.log "$bundle"
exec runc "$@"
"""
_NOTE = """import json, sys
process = json.load(open(sys.argv[2] + "/config.json"))["process"]
# As a program's own environment: the last one counts.
env = dict(entry.split("=", 1) for entry in process["env"])
with open(sys.argv[1], "a") as log:
    log.write(env.get("NVIDIA_VISIBLE_DEVICES", "") + "\\n")
"""


class DockerDaemon:
    """A dockerd."""

    def __init__(self, folder: Path, arguments: Sequence[str] = ()) -> None:
        """Started with `arguments`, everything in `folder`, which is on a disk."""
        self.folder = folder
        self.bridge = f"labdt{uuid.uuid4().hex[:8]}"
        self.address = f"unix://{folder}/docker.sock"
        for name, text in (("nvidia-container-runtime-hook", _HOOK), ("nvidia-runtime", _RUNTIME), ("note.py", _NOTE)):
            (folder / name).write_text(text.replace("{folder}", str(folder)))
            (folder / name).chmod(0o755)
        number = uuid.uuid4().int
        network = f"10.{200 + number % 50}.{number // 50 % 250}.1/24"
        _run("ip", "link", "add", self.bridge, "type", "bridge")
        _run("ip", "addr", "add", network, "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")
        command = ["dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/exec", f"--pidfile={folder}/pid"]
        command += [f"--bridge={self.bridge}", "--iptables=false", "--ip-masq=false", "--ip-forward=false"]
        command += [f"--host={self.address}", f"--add-runtime=nvidia={folder}/nvidia-runtime", *arguments]
        env = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        with open(folder / "log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=env, start_new_session=True)
        wait_for("a Docker engine of our own", self._answers)

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        answer = subprocess.run(["docker", "-H", self.address, "info"], capture_output=True, check=False)
        return answer.returncode == 0

    def load(self, image: str) -> None:
        """Take an image from the machine's own engine."""
        save = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
        subprocess.run(["docker", "-H", self.address, "load"], stdin=save.stdout, stdout=subprocess.DEVNULL, check=True)
        assert save.stdout
        save.stdout.close()
        assert save.wait() == 0

    def noted(self, part: str) -> list[str]:
        """For which GPUs the stand-in of NVIDIA's `part`, "hook" or "runtime", was called."""
        log = self.folder / f"{part}.log"
        return log.read_text().splitlines() if log.exists() else []

    def close(self) -> None:
        """End it, with all its containers."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            names = subprocess.run(["docker", "-H", self.address, "ps", "-aq"], capture_output=True, text=True)
            for name in names.stdout.split():
                subprocess.run(["docker", "-H", self.address, "rm", "-fv", name], capture_output=True, check=False)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        subprocess.run(["ip", "link", "del", self.bridge], capture_output=True, check=False)
        # Its containerd ends with it; what that had mounted may take a moment.
        wait_for("its folder to be gone", self._remove, 30.0)

    def _remove(self) -> bool:
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            point = line.split(" ")[4]
            if point.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "-l", point], capture_output=True, check=False)
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(self.folder)], capture_output=True, check=False)
        return not self.folder.exists()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
