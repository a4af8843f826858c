"""What programs do to their own files, on a running lab: limits hold, results come home, others are served."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import MakeLab, temporary_folder
from support.lab import AS_ROOT, Lab, wait_for

WRITE = "def write(path, size):\n    with open(path, 'wb') as file:\n        file.write(bytes(size))\n"
STAY = "import time\ntime.sleep(600)\n"

TOO_MUCH = {
    "at once, and ends well": "write('/output/big', 60_000_000)\n",
    "in a closed folder": "os.mkdir('/output/x')\nwrite('/output/x/big', 60_000_000)\nos.chmod('/output/x', 0)\n"
    + STAY,
    "in HOME": "write(os.environ['HOME'] + '/big', 60_000_000)\n" + STAY,
    "in the views": "write('/code/big', 30_000_000)\nwrite('/input/big', 30_000_000)\n" + STAY,
    "everywhere a little": "write('/code/big', 20_000_000)\nwrite('/output/big', 20_000_000)\n"
    "write(os.environ['HOME'] + '/big', 20_000_000)\n" + STAY,
    "in a file without a name": "file = open('/output/big', 'wb')\nos.unlink('/output/big')\n"
    "file.write(bytes(60_000_000))\nfile.flush()\n" + STAY,
    "in a view's file without a name": "file = open('/input/big', 'wb')\nos.unlink('/input/big')\n"
    "file.write(bytes(60_000_000))\nfile.flush()\n" + STAY,
    "beside files that come and go": "write('/output/big', 60_000_000)\nwhile True:\n"
    "    write('/output/x', 10)\n    os.rename('/output/x', '/output/y')\n    os.unlink('/output/y')\n",
    "in many files": "for number in range(600):\n    write(f'/output/{number}', 0)\n" + STAY,
    "in many files, and ends well": "for number in range(600):\n    write(f'/output/{number}', 0)\n",
}


@pytest.fixture(scope="module")
def small_lab() -> Iterator[Lab]:
    """A lab in which a program can write 50 MB and 500 files."""
    made = Lab(temporary_folder(), ("ana-silva",), "[user]\nrunning = 4\n[machine]\ncpus = 4.0\n")
    try:
        text = made.config_file.read_text()
        text = text.replace("interval = '300ms'", "interval = '300ms'\nmax_bytes = '50m'\nmax_files = 500")
        made.config_file.write_text(text)
        made.start()
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("source", TOO_MUCH.values(), ids=TOO_MUCH)
def test_no_way_of_writing_too_much_escapes_the_limit(small_lab: Lab, source: str) -> None:
    name = f"much-{list(TOO_MUCH.values()).index(source)}"
    status = small_lab.run(name, f"import os\n{WRITE}{source}")
    assert status["state"] == "output-too-large", status
    assert "the limit" in status["cause"]
    assert status["hint"]
    if "/output/big', 60" in source and "unlink('/output/big')" not in source:
        assert (small_lab.ana.outbox(name) / "output" / "big").stat().st_size > 50_000_000


def test_what_is_not_on_the_disk_is_not_counted(small_lab: Lab) -> None:
    status = small_lab.run(
        "little",
        f"import os\n{WRITE}open('/output/holes', 'wb').truncate(10**11)\nwrite('/output/x', 30_000_000)\n"
        "for number in range(100):\n    os.link('/output/x', f'/output/{number}')\n"
        "write('/tmp/big', 60_000_000)\nimport time\ntime.sleep(2)\n",
    )
    assert status["state"] == "succeeded", status


ODD = {
    "a folder of mode 0": ("os.makedirs('/output/x/y'); open('/output/x/y/z', 'w'); os.chmod('/output/x', 0)", ""),
    "an /output of mode 0": ("os.chmod('/output', 0)", ""),
    "folders nested 3,000 deep": (
        "os.chdir('/output')\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')\n",
        "nested too deep",
    ),
    "paths of 6,000 bytes": (
        "os.chdir('/output')\nfor _ in range(30):\n    os.mkdir('d' * 200)\n    os.chdir('d' * 200)\nopen('x', 'w')\n",
        "the path is too long",
    ),
    "names of any bytes": ("open(b'/output/\\xff\\n', 'w')", ""),
    "views of mode 0": ("open('/code/left', 'w').write('1')\nos.chmod('/code', 0); os.chmod('/input', 0)", "stray"),
    "a sparse file of a terabyte": ("open('/output/big', 'w').truncate(1 << 40)", ""),
}


@pytest.mark.parametrize(("source", "told"), ODD.values(), ids=ODD)
def test_what_can_be_delivered_is_and_the_next_job_of_the_project_runs(shared_lab: Lab, source: str, told: str) -> None:
    name = f"odd-{list(ODD).index(next(key for key, value in ODD.items() if value == (source, told)))}"
    status = shared_lab.run(name, f"import os\nopen('/output/good', 'w').write('1')\n{source}\n")
    assert status["state"] == "succeeded", status
    notes = " ".join(status["notes"])
    assert told in notes
    assert bool(told) == bool(notes), notes
    assert (shared_lab.ana.outbox(name) / "output" / "good").read_text() == "1"
    assert "good" in {entry["path"] for entry in shared_lab.ana.receipt(name)["outputs"]}
    assert shared_lab.run(name, "open('/output/next', 'w').write('1')\n")["state"] == "succeeded"
    assert (shared_lab.ana.outbox(name) / "history").is_dir()


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_an_upload_of_mode_0_is_told_and_runs_when_it_can_be_read(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    ana = lab.ana
    ana.program("closed", "open('/output/x', 'w').write('1')\n")
    ana.inbox("closed").chmod(0)
    wait_for("STATUS says why", lambda: "The folder closed cannot be read (Permission denied)" in ana.text("closed"))
    assert lab.jobs() == [] or lab.jobs()[0]["state"] in ("rejected", "received")
    ana.inbox("closed").chmod(0o755)
    wait_for("it runs", lambda: ana.status("closed").get("state") == "succeeded")


@pytest.mark.skipif(not AS_ROOT, reason="one user has nobody to hide files from")
def test_a_hundred_thousand_files_do_not_pass_through_the_daemon(make_lab: MakeLab) -> None:
    lab = make_lab()
    lab.start()
    assert lab.process
    before = _peak(lab.process.pid)
    source = "import os\nfor f in range(100):\n    os.mkdir(f'/output/{f}')\n    for n in range(1000):\n"
    status = lab.run(
        "many", f"{source}        open(f'/output/{{f}}/a-rather-long-name-of-a-file-{{n}}', 'w').close()\n"
    )
    assert status["state"] == "succeeded"
    assert len(json.loads((lab.ana.outbox("many") / "receipt.json").read_text())["outputs"]) == 100_000
    assert _peak(lab.process.pid) - before < 40_000_000


def _peak(process: int) -> int:
    """The most memory that a process had at a time, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(os.listdir(f"/proc/{process}"))
