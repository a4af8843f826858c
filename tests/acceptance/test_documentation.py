"""What the documentation shows is run as it is shown: by a researcher on a PC, and by root on the server."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from labd.model.jobs import State
from support.box.installed_lab import CHECKOUT, InstalledLab, Person
from support.docs_blocks import Step, differs, steps
from support.lab import wait_for

TOP = Path(__file__).resolve().parents[2]
READER = "doc-reader"  # in the place of ana-silva, who has an account on the server already

pytestmark = pytest.mark.xdist_group("box")


@pytest.fixture(scope="module")
def reader(installed: InstalledLab) -> Person:
    """Somebody who does what the documentation says."""
    person = installed.person(READER)
    person.pc.put_folder(TOP / "examples" / "nile", "nile")
    return person


def all_is_dealt_with(person: Person) -> bool:
    """Nothing of this researcher's is under way."""
    notes = person.lab.server.run(f"ls {person.home}/.labd/sessions", check=False).stdout
    return not notes and all(State(job["state"]).is_outcome for job in person.jobs())


def follow(step: Step, person: Person) -> None:
    """Do one step, and see that it prints what the documentation says."""
    if step.file:
        person.pc.put(step.file, step.command)
        person.pc.run(f"touch {step.file}")
        return
    command = step.command.replace("ana-silva", READER)
    if step.on_server:
        done = person.lab.server.run(f"cd {CHECKOUT} && {command} 2>&1", timeout=600)
    else:
        done = person.run(f"{command} 2>&1")
        if re.search(r"\blab:inbox", command):
            wait_for(f"what {step.place} sent has been dealt with", lambda: all_is_dealt_with(person))
    expected = tuple(line.replace("ana-silva", READER) for line in step.expected)
    assert not (wrong := differs(expected, done.stdout)), f"{step.place}: {command}\n{wrong}"


@pytest.mark.parametrize("document", ["README.md", "docs/researcher.md"])
def test_a_researcher_can_do_what_is_shown(document: str, reader: Person) -> None:
    mine = [step for step in steps(TOP / document) if not step.on_server]
    assert len(mine) >= 3
    for step in mine:
        follow(step, reader)


@pytest.mark.parametrize("document", ["README.md", "docs/administrator.md"])
def test_an_administrator_can_do_what_is_shown(document: str, installed: InstalledLab, reader: Person) -> None:
    installed.server.put(f"{CHECKOUT}/ana.pub", reader.pc.text(".ssh/id_ed25519.pub"))
    theirs = [step for step in steps(TOP / document) if step.on_server]
    assert len(theirs) >= 3
    for step in theirs:
        if "adduser" in step.command:
            installed.server.run(f"labd deluser {READER} --yes --remove-home", check=False)
        follow(step, reader)
