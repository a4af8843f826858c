"""R programs: the real template on a base image made from Debian's packages."""

from __future__ import annotations

from typing import Any

import pytest

from support.lab import Lab, docker, wait_for

MAKING = 900.0  # seconds for a base image from Debian's packages, on a busy machine


def run(lab: Lab, name: str, source: str | bytes, packages: str = "") -> dict[str, Any]:
    """Upload app.R, and packages.txt if there are any, submit, wait for the end: status.json."""
    number = len(lab.jobs()) + 1
    lab.ana.write(lab.ana.inbox(name) / "code" / "app.R", source)
    if packages:
        lab.ana.write(lab.ana.inbox(name) / "code" / "packages.txt", packages)
    lab.ana.submit(name)
    wait_for(f"job {number} of {name} complete", lambda: lab.ana.complete(name) == number, MAKING)
    return lab.ana.status(name)


def test_an_r_program_computes_and_draws_without_a_screen(shared_lab: Lab) -> None:
    source = 'png("/output/plot.png")\nplot(faithful)\ninvisible(dev.off())\nprint(nrow(faithful))\n'
    status = run(shared_lab, "geyser", source)
    assert status["state"] == "succeeded", shared_lab.ana.text("geyser", "run.log")
    assert (shared_lab.ana.outbox("geyser") / "output" / "plot.png").read_bytes().startswith(b"\x89PNG")
    assert shared_lab.ana.text("geyser", "run.log") == "[1] 272\n"


def test_packages_come_from_debian_and_are_in_the_receipt(shared_lab: Lab) -> None:
    status = run(shared_lab, "text", 'cat(R6::is.R6(1), "\\n")\n', "R6  # classes\r\n\n")
    assert status["state"] == "succeeded", shared_lab.ana.text("text", "build.log")[-2000:]
    assert shared_lab.ana.text("text", "run.log") == "FALSE \n"
    environment = shared_lab.ana.receipt("text")["environment"]
    assert any(package.startswith("R6==") for package in environment["packages"])
    files = docker("run", "--rm", "--network=none", environment["image"], "find", "/var/lib/apt/lists", "-type", "f")
    assert files == ""


def test_an_error_is_told_with_the_line_of_the_program(shared_lab: Lab) -> None:
    status = run(shared_lab, "object", "x <- 1\nprint(y + x)\n")
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert "`y`" in status["cause"] and "code/app.R, line 2" in status["cause"]
    status = run(shared_lab, "library", "library(ggplot2)\n")
    assert "`ggplot2` to code/packages.txt" in status["hint"]


def test_a_package_that_cannot_be_had_is_named(shared_lab: Lab) -> None:
    status = run(shared_lab, "nowhere", "print(1)\n", "ggplot3\n")
    assert status["state"] == "build-failed"
    assert "`ggplot3`" in status["cause"]
    status = run(shared_lab, "shell", "print(1)\n", "$(touch /tmp/x)\n")
    assert "is not the name of an R package" in status["cause"]


def test_a_program_that_r_cannot_read_has_failed(shared_lab: Lab) -> None:
    status = run(shared_lab, "bracket", ")\n")
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert status["cause"] == "code/app.R, line 1, is not valid R: unexpected ')'."


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("traceback", "options(error = traceback)"),
        ("dump", "options(error = quote(dump.frames()))"),
        ("null", "options(error = NULL)"),
        ("cleared", "rm(list = ls(all.names = TRUE))"),
        ("silent", "options(show.error.messages = FALSE)"),
        ("hidden", 'sink(tempfile()); sink(stdout(), type = "message")'),
    ],
)
def test_an_error_fails_the_job_whatever_the_program_has_set(shared_lab: Lab, name: str, first: str) -> None:
    status = run(shared_lab, f"set-{name}", f'{first}\nstop("no masses")\n')
    assert (status["state"], status["exit_code"]) == ("failed", 1)
    assert status["cause"] == "Your program stopped at code/app.R, line 2: no masses."


def test_a_program_ends_as_it_wants_to(shared_lab: Lab) -> None:
    assert run(shared_lab, "quits", "f <- function() quit(status = 3)\nf()\n")["exit_code"] == 3
    source = '.Last <- function() cat("last\\n")\ntry(stop("a"))\nsignalCondition(simpleError("b"))\n'
    assert run(shared_lab, "goes-on", source)["state"] == "succeeded"
    assert shared_lab.ana.text("goes-on", "run.log").endswith("last\n")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8-sig"])
def test_source_in_another_encoding_runs(shared_lab: Lab, encoding: str) -> None:
    source = 'x <- "gr\u00fcn"  # \u00fc\r\nprint(nchar(x))\r\n'
    status = run(shared_lab, f"in-{encoding}", source.encode(encoding))
    assert status["state"] == "succeeded"
    assert shared_lab.ana.text(f"in-{encoding}", "run.log") == "[1] 4\n"
