"""MATLAB programs: the real template on an image that stands in for MATLAB, and a licence server on a real port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import MakeLab
from support.lab import AS_ROOT, Lab, docker, wait_for
from support.matlab.stand_in import LicenceServer, base_image

pytestmark = pytest.mark.xdist_group("matlab")  # one image for all of them


@pytest.fixture(scope="module")
def matlab() -> Iterator[str]:
    with base_image() as name:
        yield name


@pytest.fixture
def server() -> Iterator[LicenceServer]:
    made = LicenceServer()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def matlab_lab(make_lab: MakeLab, matlab: str) -> Any:
    """Makes a started lab with these lines below [matlab]."""

    def make(settings: str) -> Lab:
        lab = make_lab(
            settings=f"[languages.matlab]\ndefault = 'r2021a'\nversions = {{ r2021a = '{matlab}' }}\n"
            f"[matlab]\n{settings}\n[machine]\ncpus = 1.0\n"
        )
        lab.start()
        return lab

    return make


def upload(lab: Lab, name: str, source: str, options: str = "") -> None:
    lab.ana.write(lab.ana.inbox(name) / "code" / "app.m", source)
    if options:
        lab.ana.write(lab.ana.inbox(name) / "job.toml", f"[job]\n{options}\n")
    lab.ana.submit(name)


def run(lab: Lab, name: str, source: str, options: str = "") -> dict[str, Any]:
    number = len(lab.jobs()) + 1
    upload(lab, name, source, options)
    return lab.wait_complete(name, number)


def test_a_program_draws_without_a_screen_and_its_exit_codes_arrive(matlab_lab: Any, server: LicenceServer) -> None:
    server.start()
    lab = matlab_lab(f"licence = '{server.address}'")
    status = run(
        lab,
        "waves",
        "plot(sin(1:100)); saveas(gcf, '/output/waves.png'); [~, id] = system('id -u');\n"
        "fprintf('%s %s %s', getenv('HOME'), pwd, id); fclose(fopen([getenv('HOME') '/x'], 'w'));\n",
    )
    assert status["state"] == "succeeded", lab.ana.text("waves", "run.log")
    assert (lab.ana.outbox("waves") / "output" / "waves.png").read_bytes().startswith(b"\x89PNG")
    if AS_ROOT:
        assert lab.ana.text("waves", "run.log") == f"/home/ana-silva /code {lab.ana.uid}\n"
    assert lab.ana.uid != 1000

    status = run(lab, "stops", "x = 1;\ny = rates(x);\n")
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert status["cause"] == "Your program uses `rates`, which is not defined (code/app.m, line 2)."
    assert run(lab, "ends", "exit(7)\n")["exit_code"] == 7
    run(lab, "sum", "function app(a, b)\n  disp([a b]);\nend\n", "args = [\"it's\", 'a $b']")
    assert lab.ana.text("sum", "run.log") == "it'sa $b\n"


def test_the_receipt_lists_the_toolboxes_and_the_licence_is_in_no_image_and_no_receipt(
    matlab_lab: Any, server: LicenceServer
) -> None:
    server.start()
    lab = matlab_lab(f"licence = '{server.address}'")
    run(lab, "secret", "disp(getenv('MLM_LICENSE_FILE'))\n", "env = { MLM_LICENSE_FILE = '1@elsewhere' }")
    assert lab.ana.text("secret", "run.log") == f"{server.address}\n"
    receipt = lab.ana.receipt("secret")
    assert server.address not in json.dumps(receipt)
    assert receipt["environment"]["packages"] == [
        "MATLAB==9.10.0.1602886",
        "Simulink==10.3",
        "Statistics and Machine Learning Toolbox==12.1",
    ]
    assert lab.jobs()[-1]["grant"]["network"] is True
    image = receipt["environment"]["image"]
    assert str(server.port) not in docker("inspect", image) + docker("history", "--no-trunc", image)


def test_a_licence_file_can_be_read_by_the_program_and_without_any_licence_the_remedy_is_told(
    matlab_lab: Any, tmp_path: Path
) -> None:
    lab = matlab_lab("")
    status = run(lab, "none", "disp(1)\n")
    assert status["state"] == "failed"
    assert "License Manager Error -1" in status["cause"]
    assert "administrator" in status["hint"]
    lab.stop()

    file = lab.folder / "licence.lic"
    file.write_text("INCREMENT MATLAB\n")
    file.chmod(0o644)
    lab = matlab_lab(f"licence_file = '{file}'")
    assert run(lab, "file", "disp(fgetl(fopen(getenv('MLM_LICENSE_FILE'))))\n")["state"] == "succeeded"
    assert lab.ana.text("file", "run.log") == "INCREMENT MATLAB\n"
    assert lab.jobs()[-1]["grant"]["network"] is False


def test_a_job_waits_for_a_licence_server_that_is_away_and_others_pass_it(
    matlab_lab: Any, server: LicenceServer
) -> None:
    lab = matlab_lab(f"licence = '{server.address}'")
    upload(lab, "waits", "disp(1)\n", "cpus = 1")
    host = server.address.partition("@")[2]
    wait_for("STATUS", lambda: f"waiting for the licence server {host}:{server.port} (since" in lab.ana.text("waits"))
    assert lab.ana.status("waits")["state"] == "queued"
    assert len(lab.ana.text("waits").splitlines()) <= 5
    upload(lab, "passes", "disp(1)\n", "language = 'octave'")
    assert lab.wait_complete("passes", 2)["state"] == "succeeded"
    lab.kill()
    lab.start()
    wait_for("STATUS", lambda: "waiting for the licence server" in lab.ana.text("waits"))
    assert lab.ana.status("waits")["state"] == "queued"

    server.start()
    assert lab.wait_complete("waits", 1)["state"] == "succeeded"
    assert server.asked == 1


def test_a_job_that_waits_for_the_licence_server_can_be_cancelled(matlab_lab: Any, server: LicenceServer) -> None:
    lab = matlab_lab(f"licence = '{server.address}'")
    upload(lab, "waits", "disp(1)\n")
    wait_for("STATUS", lambda: "waiting for the licence server" in lab.ana.text("waits"))
    lab.ana.write(lab.ana.inbox("waits") / "CANCEL")
    assert lab.wait_complete("waits", 1)["state"] == "cancelled"


def test_a_job_that_finds_all_seats_taken_is_tried_again_until_one_is_free(
    matlab_lab: Any, server: LicenceServer
) -> None:
    server.answer = "-4"
    server.start()
    lab = matlab_lab(f"licence = '{server.address}'\nretry = '60s'")
    upload(lab, "patient", "disp(1); fclose(fopen('/output/x', 'w'));\n")
    wait_for("STATUS", lambda: "waiting for a free licence, all are in use" in lab.ana.text("patient"))
    wait_for("a second try", lambda: server.asked >= 2)
    server.answer = "seat"
    status = lab.wait_complete("patient", 1)
    assert status["state"] == "succeeded"
    assert lab.ana.text("patient", "run.log") == "1\n"
    assert (lab.ana.outbox("patient") / "output" / "x").exists()


def test_a_job_that_finds_no_free_seat_in_time_or_a_licence_that_is_none_fails_with_the_remedy(
    matlab_lab: Any, server: LicenceServer
) -> None:
    server.answer = "-4"
    server.start()
    lab = matlab_lab(f"licence = '{server.address}'\nretry = '10s'")
    status = run(lab, "late", "disp(1)\n")
    assert status["state"] == "failed"
    assert status["cause"] == "All licences of MATLAB are in use (License Manager Error -4)."
    assert "RERUN" in status["hint"]
    assert server.asked > 1

    server.answer, before = "-18", server.asked
    status = run(lab, "release", "disp(1)\n")
    assert "License Manager Error -18" in status["cause"]
    assert server.asked == before + 1
