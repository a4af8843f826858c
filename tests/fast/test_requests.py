"""What is asked at the socket of a lab at work."""

from __future__ import annotations

from support.lab import wait_for
from support.lab_in_memory import LabInMemory

GATED = (
    "import time\nprint('begun', flush=True)\n"
    "while not open('/output/.go', 'a').tell(): time.sleep(0.02)\nprint('end')\n"
)


def test_logs_can_be_followed_to_the_end(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its first line", lambda: "begun" in lab.ana.text("p", "run.log"))
    (lab.config.paths.state / "jobs" / "1" / "delivery" / "output" / ".go").write_text("x")
    told = "".join(line.get("text", "") for line in lab.ask("logs", job="p", follow=True))
    assert told == "begun\nend\n"


def test_status_has_what_runs_and_the_queue_its_place(lab: LabInMemory) -> None:
    lab.ana.upload("p", GATED)
    wait_for("its program", lambda: lab.state(1) == "running")
    (status,) = lab.ask("status")
    assert [(job["job"], job["state"]) for job in status["active"]] == [(1, "running")]
    assert lab.ask("queue")
    assert lab.ask("overview")
    lab.ask("cancel", job=1)
    assert lab.wait_complete("p")["state"] == "cancelled"


def test_images_are_listed_with_their_sizes(lab: LabInMemory) -> None:
    lab.run("p", "print('hello')\n")
    [image] = lab.ask("images")
    assert image["tag"] == lab.machine.built[0].tag
    assert image["size"] == 1000


def test_a_program_is_submitted_and_run_again_by_request(lab: LabInMemory) -> None:
    lab.ana.program("p", "print('hello')\n")
    lab.ask("submit", project="p")
    lab.wait_complete("p", 1)
    assert "error" not in lab.ask("rerun", job="p")[0]
    assert lab.wait_complete("p", 2)["state"] == "succeeded"


def test_what_is_not_known_is_answered_with_a_sentence(lab: LabInMemory) -> None:
    for verb, arguments in (("cancel", {"job": 99}), ("logs", {"job": "nothing"}), ("dance", {})):
        (answer,) = lab.ask(verb, **arguments)
        assert answer["error"]


def test_users_and_settings_can_be_asked_for(lab: LabInMemory) -> None:
    assert [user["user"] for user in lab.ask("users")] == ["ana"]
    assert "error" not in lab.ask("settings")[0]
