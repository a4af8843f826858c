"""B12: how long it takes to read a messy requirements.txt and to look for imports in 2,000 files, in seconds.

The files are of Python's own library: real programs of all sizes. The yardstick is a process that only reads them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from labd.model import languages
from labd.model.config import Build
from labd.privsep.workers import Identity
from labd.projects import dependencies, imports

TARGET = 1.0
ROUNDS = 10
FILES = 2000
YARDSTICK = "import pathlib, sys; [file.read_bytes() for file in pathlib.Path(sys.argv[1]).rglob('*.py')]"
TEMPLATES = Path(__file__).resolve().parent.parent.parent / "templates"
MESS = [
    "WARNING: You are using pip version 20.0; a newer one is there",
    "numpy=1.26.4=py311h64a7726_0",
    "scipy @ file:///home/conda/feedstock_root/scipy-1.11.4.tar.gz",
    "sklearn",
    "cv2",
    "pywin32==306",
    "os",
    *(f"library-{number}=={number}.0.1" for number in range(200)),
]


def run(report: Callable[[str], None]) -> list[tuple[str, float, float, str]]:
    """Measure; one row of name, seconds, target and detail."""
    report(f"B12: {ROUNDS} times {FILES} files, and a process that only reads them in turns with it")
    language = languages.load(TEMPLATES)["python"]
    with tempfile.TemporaryDirectory(prefix="labd-bench-", dir="/var/tmp") as folder:
        code = Path(folder)
        code.chmod(0o755)
        size = _fill(code)
        asked = {"requirements.txt": b"\xff\xfe" + "\r\n".join(MESS).encode("utf-16-le")}
        identity = Identity(os.getuid(), os.getgid()) if os.getuid() else Identity(65534, 65534)
        ours, yardstick = [], []
        for _ in range(ROUNDS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-I", "-c", YARDSTICK, folder], check=True)
            yardstick.append(time.perf_counter() - began)
            began = time.perf_counter()
            wanted = dependencies.read(language, "3.11", asked, Build())
            found = imports.scan(code, "app.py", identity)
            missing = imports.unprovided(found, wanted.libraries, language.template.distributions)
            ours.append(time.perf_counter() - began)
            assert "galaxies" in missing
    seconds, read = statistics.median(ours), statistics.median(yardstick)
    detail = f"{size / 1e6:.0f} MB, {seconds / read:.1f} × the {read * 1e3:.0f} ms that reading them takes (medians)"
    return [("B12 requirements and imports", seconds, TARGET, detail)]


def _fill(code: Path) -> int:
    """Lay out a program of FILES files; bytes of it."""
    library = Path(sysconfig.get_paths()["stdlib"])
    sources = [
        file for file in sorted(library.rglob("*.py")) if not {"site-packages", "test", "tests"} & {*file.parts}
    ][: FILES - 1]
    (code / "parts").mkdir()
    # Where Python's library has fewer files than that, they come again.
    for number in range(FILES - 1):
        (code / "parts" / f"part{number}.py").write_bytes(sources[number % len(sources)].read_bytes())
    lines = [f"from parts import part{number}" for number in range(FILES - 1)]
    (code / "app.py").write_text("\n".join([*lines, "import galaxies", ""]))
    return sum(file.stat().st_size for file in code.rglob("*.py"))
