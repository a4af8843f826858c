"""How commands are found in the documentation, and when what they print agrees with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.docs_blocks import Step, differs, steps

TEXT = """# A title

Some text with `code`.

```console
$ rsync -a nile/ lab:inbox/nile/
# labd status
1 running
…
$ ssh lab \\
    status
```

```toml
[job]
cpus = 4
```

<!-- file: nile/job.toml -->
```toml
[job]
cpus = 2
```

- in a list:

  ```console
  $ true
  ```

<!-- not run: it takes an hour -->

```console
$ sleep 3600
```
"""


def test_commands_come_with_their_place_their_machine_and_what_they_print(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(TEXT)
    assert list(steps(tmp_path / "a.md")) == [
        Step("a.md:6", False, "rsync -a nile/ lab:inbox/nile/", ()),
        Step("a.md:7", True, "labd status", ("1 running", "…")),
        Step("a.md:10", False, "ssh lab \\\n    status", ()),
        Step("a.md:21", False, "[job]\ncpus = 2\n", (), file="nile/job.toml"),
        Step("a.md:28", False, "true", ()),
    ]


@pytest.mark.parametrize(
    ("says", "printed"),
    [
        ("nile: succeeded after 0.4 seconds (job 1)", "nile: succeeded after 12 seconds (job 17)"),
        ("Since: 2026-11-23 20:38:56", "Since: 2027-01-01 00:00:01"),
        ("nile: receiving: 4 files, 7.2 kB so far", "nile: receiving: 4 files, 1.3 MB so far"),
        ("256 SHA256:abcdefghijklmnopqrstu (ED25519)", "256 SHA256:ABC+/fghijklmnopqrstu (ED25519)"),
        ("JOB  PROJECT", "JOB      PROJECT"),
        ("labd/env:python-7306ad9a840ee8eb", "labd/env:python-1111ad9a840ee8eb"),
        ("a\n…\nz", "a\nb\nc\nz"),
        ("a\n…", "a"),
        ("one … three", "one two three"),
        ("4G free", "120M free"),
    ],
)
def test_what_differs_from_run_to_run_does_not_count(says: str, printed: str) -> None:
    assert differs(tuple(says.splitlines()), printed + "\n") == ""


@pytest.mark.parametrize(
    ("says", "printed"),
    [
        ("nile: succeeded after 0.4 seconds", "nile: failed after 0.4 seconds"),
        ("a", ""),
        ("", "a"),
        ("a\nb", "b\na"),
        ("one … three", "one two four"),
        ("python3", "python2"),
        ("report-2.csv", "report-3.csv"),
    ],
)
def test_other_words_and_other_names_count(says: str, printed: str) -> None:
    assert printed in differs(tuple(says.splitlines()), printed + "\n")
