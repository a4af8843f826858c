"""A researcher whose files and logs were made to hold up the lab: it is told so, and nobody else notices."""

from __future__ import annotations

import pytest

from conftest import MakeLab
from support.lab import AS_ROOT, Lab, wait_for

HELLO = "print('hello')\nopen('/output/result.txt', 'w').write('42')\n"
FILES = {
    "spaces": {"code__requirements.txt": f"a{' ' * 900_000}b"},
    "brackets": {"code__requirements.txt": f"a; {'(' * 1500}"},
    "number": {"job.toml": f"[job]\ncpus = {'9' * 5000}"},
    "tables": {"job.toml": "[" * 100_000},
    "laughs": {"code__environment.yml": "a: &a [x]\nb: &b [*a, *a]\ndependencies: *b\n"},
    "keys": {"code__pyproject.toml": f"project.{'.'.join('a' * 4000)} = 1"},
}
LOGS = {
    "digits": "print('Traceback (most recent call last):\\n  File \"/code/app.py\", line ' + '9' * 5000)\n",
    "letters": "print('error: ' + 'a' * 60_000 + '\\n    app at line 3 column 4')\n",
}
pytestmark = pytest.mark.skipif(not AS_ROOT, reason="needs two accounts")


@pytest.fixture
def two(make_lab: MakeLab) -> Lab:
    lab = make_lab(users=("ana-silva", "ben-okoro"), settings="[user]\nrunning = 4\n[machine]\ncpus = 4.0\n")
    lab.start()
    return lab


def test_hostile_projects_end_with_a_sentence_and_hold_up_nobody(two: Lab) -> None:
    ana, ben = two.users["ana-silva"], two.users["ben-okoro"]
    ben.program("before", HELLO)  # the environment may have to be made
    ben.submit("before")
    assert two.wait_complete("before", 1, ben)["state"] == "succeeded"
    for name, files in FILES.items():
        ana.program(name, HELLO, **files)
        ana.submit(name)
    for name, source in LOGS.items():
        ana.program(name, f"{source}raise SystemExit(3)")
        ana.submit(name)
    ben.program("mine", HELLO)
    ben.submit("mine")
    wait_for("the other researcher's job", lambda: ben.status("mine").get("state") == "succeeded", 20.0)
    for name in FILES:
        wait_for(f"the end of {name}", lambda name=name: ana.complete(name))  # type: ignore[misc]
        status = ana.status(name)
        assert status["state"] == "rejected", status
        assert "labd itself" not in status["cause"]
        assert len(status["cause"]) < 350
    for name in LOGS:
        wait_for(f"the end of {name}", lambda name=name: ana.complete(name))  # type: ignore[misc]
        assert (ana.status(name)["state"], ana.status(name)["exit_code"]) == ("failed", 3)
        assert "labd itself" not in ana.status(name)["cause"]
    assert two.process
    assert two.process.poll() is None
    assert "Traceback" not in two.log.read_text()


def test_a_job_toml_that_is_a_pipe_is_told(two: Lab) -> None:
    ana = two.users["ana-silva"]
    ana.program("pipe", HELLO)
    ana.do("mkfifo", ana.inbox("pipe") / "job.toml")
    ana.submit("pipe")
    wait_for("the end of the job", lambda: ana.complete("pipe"))
    assert ana.status("pipe")["state"] == "rejected"
    assert ana.status("pipe")["cause"] == "job.toml is not a file."
