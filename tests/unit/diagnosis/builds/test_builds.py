"""The verdicts on builds, from what uv and pip really printed (shortened; folders and host names replaced)."""

from __future__ import annotations

import time
from pathlib import Path
from textwrap import dedent

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from labd.common.excerpts import Diagnosis
from labd.diagnosis.builds.verdicts import build_failed, build_timed_out

UPLOADS = Path(__file__).parents[3] / "uploads"
DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "PyYAML"}
STEP = "RUN --mount=type=cache,target=/root/.cache/uv uv pip install --system -r requirements.txt"


def buildkit(said: str, exit_code: int = 1) -> str:
    """`said` by the installing step, as the builder shows it in --progress=plain."""
    numbered = "\n".join(f"#9 1.234 {line}" for line in dedent(said).strip("\n").split("\n"))
    failed = f'process "/bin/sh -c {STEP[4:]}" did not complete successfully: exit code: {exit_code}'
    return (
        "#1 [internal] load build definition from Dockerfile\n"
        "#3 [internal] load metadata for registry.example/library/python:3.11-slim\n"
        "#3 DONE 0.0s\n\n"
        f"#9 [4/5] {STEP}\n{numbered}\n#9 ERROR: {failed}\n------\n > [4/5] {STEP}:\n{numbered}\n------\n"
        f"Dockerfile:12\n--------------------\n  11 |\n  12 | >>> {STEP}\n--------------------\n"
        f"ERROR: failed to solve: {failed}\n"
    )


def verdict(said: str) -> Diagnosis:
    return build_failed(buildkit(said), 1, DISTRIBUTIONS)


def unsolved(because: str) -> str:
    """What uv prints when it finds no solution."""
    return (
        "Using Python 3.11.7 environment at: /usr/local\n"
        f"error: No solution found when resolving dependencies\n  cause: Because {because}"
    )


NOT_TO_BE_MET = "we can conclude that your requirements are unsatisfiable."

# What uv prints for the requirements of each sample upload that cannot be built.
SAID_OF_UPLOADS = {
    "octave-no-such-package": (
        "==> Installing the Octave packages of packages.txt\n"
        "Cause: There is no Octave package `statistcs`, which code/packages.txt asks for.\n"
        "What to do: Correct the name in code/packages.txt (there is statistics), or leave the line out."
    ),
    "r-no-such-package": (
        "==> Installing the R packages of packages.txt\n"
        "Cause: Debian has no R package `ggplot3`, which code/packages.txt asks for, and CRAN does not answer.\n"
        "What to do: Check its spelling in code/packages.txt, capital letters too; if it is right, tell"
    ),
    "no-such-library": unsolved(
        "no-such-library-for-galaxies was not found in the package registry and you require "
        f"no-such-library-for-galaxies, {NOT_TO_BE_MET}"
    ),
    "no-such-version": unsolved(f"there is no version of six==99.9 and you require six==99.9, {NOT_TO_BE_MET}"),
    "libraries-that-do-not-fit": unsolved(
        "pandas==2.2.2 depends on numpy{python_full_version < '3.12'}>=1.23.2 and you require numpy==1.21.0, we can "
        "conclude that your requirements and pandas==2.2.2 are incompatible.\n         And because you require "
        f"pandas==2.2.2, {NOT_TO_BE_MET}"
    ),
    "library-for-newer-python": unsolved(
        "the current Python version (3.11.7) does not satisfy Python>=3.12 and numpy==2.5.0 depends on Python>=3.12, "
        f"we can conclude that numpy==2.5.0 cannot be used.\n     And because you require numpy==2.5.0, {NOT_TO_BE_MET}"
        "\nOther versions of Python that satisfy the whole file: 3.13"
    ),
    "conda-environment": unsolved(
        f"sixx-of-galaxies was not found in the package registry and you require sixx-of-galaxies, {NOT_TO_BE_MET}"
    ),
    "no-such-system-library": (
        "==> Installing the system libraries of apt.txt\n"
        "Cause: Debian has no package `libnosuchthing9` that can be installed, which code/apt.txt asks for.\n"
        "What to do: Correct the name in code/apt.txt (there is libnosql), or leave the line out."
    ),
}


@pytest.mark.parametrize("case", SAID_OF_UPLOADS)
def test_a_sample_project_that_cannot_be_built_is_explained(case: str) -> None:
    expected = tomli.loads((UPLOADS / case / "expect.toml").read_text(encoding="utf-8"))
    found = verdict(SAID_OF_UPLOADS[case])
    assert expected["cause"] in found.cause
    assert expected["hint"] in found.hint


def test_no_sample_project_that_cannot_be_built_is_forgotten() -> None:
    files = UPLOADS.glob("*/expect.toml")
    assert {file.parent.name for file in files if '"build-failed"' in file.read_text("utf-8")} == set(SAID_OF_UPLOADS)


class TestALibraryThatDoesNotExist:
    def test_is_named_though_uv_wrapped_its_sentence(self) -> None:
        found = verdict(
            """
              × No solution found when resolving dependencies:
              ╰─▶ Because numpyy-that-is-not-there was not found in the package registry
                  and you require numpyy-that-is-not-there==1.0, we can conclude that your
                  requirements are unsatisfiable.
            """
        )
        assert found.cause == "The package index has no library named `numpyy-that-is-not-there`."
        assert "under another name" in found.hint

    def test_is_named_in_pips_words(self) -> None:
        found = verdict(
            """
            ERROR: Could not find a version that satisfies the requirement opencv (from versions: none)
            ERROR: No matching distribution found for opencv
            """
        )
        assert "`opencv`, or none for this version of Python" in found.cause
        assert "Did you mean `opencv-python-headless`?" in found.hint

    @pytest.mark.parametrize(
        ("name", "meant"), [("pil", "pillow"), ("scikit-lern", "scikit-learn"), ("Yaml", "PyYAML")]
    )
    def test_may_be_one_that_is_known(self, name: str, meant: str) -> None:
        said = unsolved(f"{name} was not found in the package registry and you require {name}, {NOT_TO_BE_MET}")
        assert f"Did you mean `{meant}`?" in verdict(said).hint

    @pytest.mark.parametrize("name", ["python", "pandas-datareadr2", "pytorch-lightning-x", "numpy-stll", "lib"])
    def test_is_no_library_whose_name_only_begins_like_it(self, name: str) -> None:
        said = unsolved(f"{name} was not found in the package registry and you require {name}, {NOT_TO_BE_MET}")
        assert "Did you mean" not in verdict(said).hint

    def test_may_be_a_model_of_spacy(self) -> None:
        name = "en-core-web-sm"
        found = verdict(
            unsolved(f"{name} was not found in the package registry and you require {name}==2.0.0, {NOT_TO_BE_MET}")
        )
        assert found.cause == "`en-core-web-sm` is a model of spaCy, and the package index has none of that name."
        assert "`en-core-web-sm @ https://…`" in found.hint

    def test_is_not_replaced_by_a_guess(self) -> None:
        said = unsolved(f"galpyx was not found in the package registry and you require galpyx, {NOT_TO_BE_MET}")
        assert "Did you mean" not in verdict(said).hint


class TestAVersionThatDoesNotExist:
    def test_is_told_with_the_newest_that_does(self) -> None:
        said = unsolved(f"only numpy<=2.5.5 is available and you require numpy>=99, {NOT_TO_BE_MET}")
        assert verdict(said).cause == "The package index has no `numpy>=99`; the newest version is 2.5.5."

    def test_is_told_in_pips_words_without_the_200_versions(self) -> None:
        found = verdict(
            """
            ERROR: Could not find a version that satisfies the requirement numpy==99.9 (from versions: 1.3.0, 1.4.1, 2.4.5, 2.4.6, 2.5.0rc1)
            ERROR: No matching distribution found for numpy==99.9
            """  # noqa: E501 (as pip prints it)
        )
        assert "`numpy==99.9`" in found.cause
        assert "newest version is 2.4.6" in found.cause
        assert "1.3.0" not in found.cause


class TestAVersionForAnotherPython:
    def test_is_told_in_pips_words(self) -> None:
        found = verdict(
            """
            ERROR: Ignored the following versions that require a different python version: 1.21.2 Requires-Python >=3.7,<3.11; 2.5.0 Requires-Python >=3.12; 2.5.0rc1 Requires-Python >=3.12
            ERROR: Could not find a version that satisfies the requirement numpy==2.5.0 (from versions: 1.3.0, 2.4.6)
            ERROR: No matching distribution found for numpy==2.5.0
            """  # noqa: E501 (as pip prints it)
        )
        assert "`numpy==2.5.0` needs Python >=3.12" in found.cause
        assert 'python = "3.12"' in found.hint

    def test_without_files_for_this_one_names_the_python_that_has_them(self) -> None:
        found = verdict(
            """
              × No solution found when resolving dependencies:
              ╰─▶ Because tensorflow==2.3.0 has no wheels with a matching Python ABI tag
                  (e.g., `cp311`) and you require tensorflow==2.3.0, we can conclude that
                  your requirements are unsatisfiable.

                  hint: You require CPython 3.11 (`cp311`), but we only found wheels
                  for `tensorflow` (v2.3.0) with the following Python ABI tags: `cp35m`,
                  `cp36m`, `cp37m`, `cp38`
            """
        )
        assert found.cause == "`tensorflow==2.3.0` does not exist for this version of Python."
        assert "Take a newer version of tensorflow" in found.hint
        assert 'python = "3.8"' in found.hint


class TestRequirementsThatDoNotFit:
    def test_are_told_as_one_sentence_out_of_many(self) -> None:
        said = unsolved(
            """pandas>=3.0.0rc0,<=3.0.0rc1 depends on numpy>=1.26.0 and all of:
                     pandas>=3.0.0rc2,<=3.0.3
                     pandas>=3.0.5,<=3.0.6
                 depend on numpy{python_full_version < '3.14'}>=1.26.0, we can conclude that all of:
                     pandas>=3.0.0rc0,<=3.0.3
                     pandas>=3.0.5,<=3.0.6
                 depend on numpy>=1.26.0.
                 And because pandas>=2.2.2,<=2.3.3 depends on numpy{python_full_version < '3.12'}>=1.23.2 and pandas==3.0.4 was yanked (reason: Reported segfaults), we can conclude that pandas>=2.2.0 depends on numpy>=1.23.2.
                 And because you require pandas>=2.2 and numpy<1.20, we can conclude that your requirements are unsatisfiable."""  # noqa: E501 (as uv prints it)
        )
        found = verdict(said)
        assert (
            found.cause == "`pandas>=2.2` and `numpy<1.20` do not go together: pandas>=2.2.0 depends on numpy>=1.23.2."
        )

    def test_are_not_mixed_up_with_what_uv_concludes(self) -> None:
        said = unsolved(
            "scipy==1.10.0 depends on numpy>=1.19.5,<1.27.0 and you require scipy==1.10.0, we can conclude that you "
            "require numpy>=1.19.5,<1.27.0.\n         And because you require numpy>=2, " + NOT_TO_BE_MET
        )
        assert verdict(said).cause.startswith(
            "`scipy==1.10.0` and `numpy>=2` do not go together: scipy==1.10.0 depends"
        )

    def test_are_told_in_pips_words(self) -> None:
        found = verdict(
            """
            ERROR: Cannot install -r requirements.txt (line 2) and numpy==1.21.0 because these package versions have conflicting dependencies.

            The conflict is caused by:
                The user requested numpy==1.21.0
                pandas 2.2.2 depends on numpy>=1.23.2; python_version == "3.11"

            To fix this you could try to:
            1. loosen the range of package versions you've specified

            ERROR: ResolutionImpossible: for help visit the documentation
            """  # noqa: E501 (as pip prints it)
        )
        assert found.cause == "`numpy==1.21.0` does not fit another line: pandas 2.2.2 depends on numpy>=1.23.2."

    def test_of_one_library_are_told_in_pips_words(self) -> None:
        found = verdict(
            """
            The conflict is caused by:
                The user requested numpy==1.26.4
                The user requested numpy==2.0.0

            ERROR: ResolutionImpossible: for help visit the documentation
            """
        )
        assert "two versions of numpy: `numpy==1.26.4` and `numpy==2.0.0`" in found.cause


class TestALineThatIsNotUnderstood:
    @pytest.mark.parametrize(
        ("line", "why", "hint"),
        [
            ("numpy==", "Unexpected end of version specifier, expected version", "one library a line"),
            ("numpy 1.26", "Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `1`", "`numpy==1.26`"),
            ("import yaml", "Expected one of `@`, `(`, `<`, found `y`", "name of the library: `PyYAML`"),
            ("pip install numpy", "Expected one of `@`, `(`, `<`, found `i`", "name of the library: `numpy`"),
            ("six=>1.16", 'no such comparison operator "=>", must be one of ~= ==', "Write one library a line"),
            ("numpy=1.26.4=py311h64a7726_0", 'no such comparison operator "="', "`numpy==1.26.4`"),
            ("pandas>=2.0 <3", "Trailing `<3` is not allowed", "a comma"),
            ("Package    Version", "Expected one of `@`, `(`, `<`, found `V`", "one library a line"),
        ],
    )
    def test_is_quoted_and_corrected(self, line: str, why: str, hint: str) -> None:
        found = verdict(
            f"error: Couldn't parse requirement in `requirements.txt` at position 4\n Caused by: {why}\n{line}\n  ^^^\n"
        )
        assert f"The line `{' '.join(line.split())}` in code/requirements.txt is not understood." == found.cause
        assert hint in found.hint

    @pytest.mark.parametrize(
        ("said", "line"),
        [
            ("ERROR: Invalid requirement: 'numpy=1.26' (from line 1 of requirements.txt)", "numpy=1.26"),
            ("ERROR: Invalid requirement: 'numpy=1.26': Expected semicolon\n    numpy=1.26\n         ^", "numpy=1.26"),
            ("ERROR: Invalid requirement: --foo bar\npip: error: no such option: --foo", "--foo bar"),
        ],
    )
    def test_is_quoted_in_pips_words(self, said: str, line: str) -> None:
        assert f"The line `{line}`" in verdict(said).cause

    def test_is_numbered_when_uv_does_not_quote_it(self) -> None:
        said = "error: Unexpected '-', expected '-c', '-e', '-r' or the start of a requirement: requirements.txt:3:1"
        assert "Line 3 of code/requirements.txt" in verdict(said).cause

    @pytest.mark.parametrize(
        ("said", "name"),
        [
            ("error: Distribution not found at: file:///C:/ci/work/numpy", "numpy"),
            ("error: The wheel filename `C:\\Users\\ana\\wheels\\foo.whl` is invalid: Must have a version", "foo.whl"),
            ("ERROR: Could not install packages due to an OSError: [Errno 2] No such file or directory: '/C:/x/numpy'",
             "numpy"),
            ("error: Unsupported editable requirement in `requirements.txt` at line 1: `git+https://git.example/foo/bar`",
             "bar"),
        ],
    )  # fmt: skip
    def test_may_name_a_file_of_another_computer(self, said: str, name: str) -> None:
        assert f"asks for `{name}` from a place that is not in your project" in verdict(said).cause

    def test_may_name_another_list(self) -> None:
        found = verdict(
            """
            error: Error parsing included file in `requirements.txt` at position 0
              cause: failed to read from file `/build/other.txt`: No such file or directory (os error 2)
            """
        )
        assert "refers to `other.txt`" in found.cause
        assert "Copy the lines of other.txt" in found.hint

    @pytest.mark.parametrize(
        "said",
        [
            """
            × Failed to download `six==1.16.0`
            ╰─▶ Hash mismatch for `six==1.16.0`

                Expected:
                  sha256:1111111111111111111111111111111111111111111111111111111111111111
            """,
            """
            ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE. If you have updated the package versions, please update the hashes. Otherwise, examine the package contents carefully; someone may have tampered with them.
                six==1.16.0 from https://index.example/six-1.16.0-py2.py3-none-any.whl (from -r requirements.txt (line 1)):
            """,  # noqa: E501 (as pip prints it)
        ],
    )
    def test_may_give_a_wrong_checksum(self, said: str) -> None:
        found = verdict(said)
        assert "`six==1.16.0`" in found.cause
        assert "--hash" in found.hint


def not_built(library: str, reason: str, installer: str) -> str:
    """What `installer` prints when the source of `library` could not be built for `reason`."""
    if installer == "pip":
        said = "\n".join(f"      {line}" for line in dedent(reason).strip().split("\n"))
        return (
            f"Collecting {library}\n  error: subprocess-exited-with-error\n\n"
            "  × Getting requirements to build wheel did not run successfully.\n  │ exit code: 1\n"
            f"  ╰─> [21 lines of output]\n{said}\n      [end of output]\n\n"
            "  note: This error originates from a subprocess, and is likely not a problem with pip.\n"
            f"ERROR: Failed to build '{library}' when getting requirements to build wheel\n"
        )
    said = "\n".join(f"         {line}" for line in dedent(reason).strip().split("\n"))
    return (
        f"   Building {library}\nerror: Failed to build `{library}`\n  cause: The build backend returned an error\n"
        "  cause: Call to `setuptools.build_meta.build_wheel` failed (exit status: 1)\n\n         [stderr]\n"
        f"{said}\n\nhint: Build failures usually indicate a problem with the package or the build environment\n"
    )


@pytest.mark.parametrize("installer", ["uv", "pip"])
class TestALibraryThatMustBeCompiled:
    def test_and_has_no_compiler_says_so(self, installer: str) -> None:
        reason = "running build_ext\nbuilding 'pygraphviz' extension\nerror: [Errno 2] No such file or directory: 'gcc'"
        found = verdict(not_built("pygraphviz", reason, installer))
        assert found.cause.startswith("`pygraphviz` is not ready to use")
        assert "no compiler" in found.cause
        assert "another version of pygraphviz" in found.hint

    @pytest.mark.parametrize(
        ("reason", "part"),
        [
            ("mod.c:1:10: fatal error: Python.h: No such file or directory\n 1 | #include <Python.h>", "Python.h"),
            ("g.c:3023:10: fatal error: graphviz/cgraph.h: No such file or directory", "graphviz/cgraph.h"),
            ("Trying pkg-config --exists mysqlclient\n/bin/sh: 1: pkg-config: not found", "pkg-config"),
            ("Error: pg_config executable not found.", "pg_config"),
        ],
    )
    def test_and_lacks_a_part_of_the_system_names_it(self, reason: str, part: str, installer: str) -> None:
        assert f"`{part}`, which is needed" in verdict(not_built("galaxies", reason, installer)).cause

    def test_and_has_a_ready_made_sister_names_it(self, installer: str) -> None:
        reason = """
            Error: pg_config executable not found.

            If you prefer to avoid building psycopg2 from source, please install the PyPI
            'psycopg2-binary' package instead.
            """
        found = verdict(not_built("psycopg2", reason, installer))
        assert found.hint == "Write `psycopg2-binary` instead of `psycopg2` in code/requirements.txt."

    def test_and_was_renamed_names_the_new_one(self, installer: str) -> None:
        reason = """
            The 'sklearn' PyPI package is deprecated, use 'scikit-learn'
            rather than 'sklearn' for pip commands.
            """
        found = verdict(not_built("sklearn", reason, installer))
        assert found.hint == "Write `scikit-learn` instead of `sklearn` in code/requirements.txt."

    @pytest.mark.parametrize("library", ["pandas==1.1.5", "python-louvain==0.16", "numpyy==1.0"])
    def test_and_exists_is_never_replaced_by_one_with_a_similar_name(self, library: str, installer: str) -> None:
        found = verdict(not_built(library, "error: something quite new", installer))
        assert found.cause.startswith(f"`{library}` is not ready to use for this version of Python")
        assert "instead" not in found.hint
        assert f"another version of {library.partition('==')[0]}" in found.hint

    def test_and_is_too_old_is_told_with_the_last_error(self, installer: str) -> None:
        reason = """
            Traceback (most recent call last):
              File "<string>", line 415, in <module>
            NameError: name 'CCompiler' is not defined. Did you mean: 'ccompiler'?
            """
        found = verdict(not_built("numpy", reason, installer))
        assert "NameError: name 'CCompiler' is not defined" in found.cause
        assert "another version of numpy" in found.hint


class TestTheServersOwnTrouble:
    @pytest.mark.parametrize(
        "said",
        [
            """
            error: Request failed after 3 retries in 11.0s
              cause: Failed to fetch: https://index.example/simple/six/
              cause: error sending request for url (https://index.example/simple/six/)
              cause: dns error
            """,
            """
            error: Failed to fetch: `https://index.example/simple/six/`
              Caused by: HTTP status server error (503 Service Unavailable) for url (https://index.example/simple/six/)
            """,
            """
            × Failed to fetch: `https://index.example/simple/six/`
            ├─▶ client error (Connect)
            ╰─▶ invalid peer certificate: UnknownIssuer
            """,
            unsolved(
                f"six was not found in the package registry and you require six, {NOT_TO_BE_MET}\n\nhint: An index URL "
                "(https://index.example/simple) could not be queried due to a lack of valid authentication credentials"
            ),
            unsolved(
                f"six was not found in the package registry and you require six, {NOT_TO_BE_MET}\n\nhint: An index "
                "(https://index.example/simple) returned a 403 Forbidden error. Check that the index URL is correct."
            ),
            """
            WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after connection broken by 'NewConnectionError("HTTPSConnection(host='index.example', port=443): Failed to establish a new connection: [Errno 111] Connection refused")': /simple/six/
            ERROR: Could not find a version that satisfies the requirement six (from versions: none)
            ERROR: No matching distribution found for six
            """,  # noqa: E501 (as pip prints it)
        ],
    )
    def test_with_the_package_index_is_not_blamed_on_the_project(self, said: str) -> None:
        found = verdict(said)
        assert found.cause == "The package index that this server uses does not answer as it should."
        assert "administrator" in found.hint

    @pytest.mark.parametrize(
        "said",
        [
            "error: Failed to install: numpy-1.26.4.whl (numpy==1.26.4)\n  Caused by: failed to copy file /a to /b: "
            "No space left on device (os error 28)",
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device: '/usr/local/x'",
        ],
    )
    def test_with_its_disk_is_not_blamed_on_the_project(self, said: str) -> None:
        found = verdict(said)
        assert "disk is full" in found.cause
        assert "administrator" in found.hint

    @pytest.mark.parametrize(
        "log",
        [
            """\
            #3 [internal] load metadata for registry.example/library/python:9.9-slim
            #3 ERROR: registry.example/library/python:9.9-slim: not found
            ------
             > [internal] load metadata for registry.example/library/python:9.9-slim:
            ------
            failed to solve with frontend dockerfile.v0: failed to create LLB definition: registry.example/library/python:9.9-slim: not found
            """,  # noqa: E501 (as the builder prints it)
            """\
            #2 [internal] load metadata for registry.example/library/python:9.9-slim
            #2 ERROR: registry.example/library/python:9.9-slim: not found
            ERROR: failed to solve: python:9.9-slim: failed to resolve source metadata for registry.example/library/python:9.9-slim: registry.example/library/python:9.9-slim: not found
            """,  # noqa: E501 (as the builder prints it)
        ],
    )
    def test_with_the_base_system_names_it(self, log: str) -> None:
        found = build_failed(dedent(log), 1, DISTRIBUTIONS)
        assert "(python:9.9-slim)" in found.cause
        assert "administrator" in found.hint

    def test_with_memory_is_told_so(self) -> None:
        log = buildkit("Resolved 4 packages in 1.2s\nKilled", 137)
        assert "want of memory" in build_failed(log, 1, DISTRIBUTIONS).cause

    def test_with_the_template_is_not_blamed_on_the_project(self) -> None:
        log = "ERROR: failed to solve: dockerfile parse error on line 3: unknown instruction: RUNN\n"
        assert "administrator" in build_failed(log, 1, DISTRIBUTIONS).hint


@pytest.mark.parametrize(
    "said",
    [
        """
        error: Git operation failed
          cause: failed to clone into: /root/.cache/uv/git-v2/db/e739
          cause: process didn't exit successfully: `/usr/bin/git fetch` (exit status: 128)
                 --- stderr
                 fatal: unable to access 'https://git.example/foo/bar.git/': Could not resolve host: git.example
        """,
        """
        error: Failed to download `foo @ https://files.example/foo-1.0-py3-none-any.whl`
          cause: Request failed after 3 retries in 7.1s
          cause: dns error
        """,
    ],
)
def test_a_library_from_an_address_on_the_internet_is_not_blamed_on_the_server(said: str) -> None:
    found = verdict(said)
    assert "from an address on the internet" in found.cause
    assert "package index" in found.hint


def test_what_is_not_known_is_quoted_in_one_line() -> None:
    found = verdict("Resolved 4 packages in 1.2s\nerror: something quite new happened\n")
    assert found.cause == "The libraries of your project could not be installed: something quite new happened."
    assert "build.log" in found.hint


def test_a_build_that_took_too_long_is_told_the_limit() -> None:
    assert "longer than 30 minutes" in build_timed_out(1800).cause


WORDS = st.sampled_from(
    [
        "#9 1.2 ",
        "Because ",
        "you require numpy==1 and ",
        "x depends on y>=1, ",
        "was not found in the package registry ",
        "No solution found ",
        "has no wheels with a matching platform tag ",
        "following platforms: `win32` ",
        "Couldn't parse requirement in\n",
        "  ^^^\n",
        "Failed to build `a==1` ",
        "The conflict is caused by:\n",
        "Invalid requirement: '",
        "Distribution not found at: file:///",
        "(from versions: none)",
        "there is no version of a==1",
        "'\n",
        "`",
        "\u2028",
    ]
)


@given(
    log=st.lists(WORDS | st.text(max_size=20), max_size=12).map("".join) | st.text(), exit_code=st.integers(-70, 300)
)
def test_no_output_of_a_build_breaks_the_verdict(log: str, exit_code: int) -> None:
    found = build_failed(log, exit_code, DISTRIBUTIONS)
    for text in (found.cause, found.hint):
        assert len(text.splitlines()) == 1
        assert text.isprintable()
        assert len(text) <= 250


@pytest.mark.parametrize(
    "piece", ["a", " ", "-", "`", "'", "=", "{", "{a", "\x1b[", "you require a ", "a depends on ", "git clone a "]
)
@pytest.mark.parametrize("start", ["", "Invalid requirement: '", "Because ", "Git clone a", "(from versions: "])
def test_64_kilobytes_of_the_same_are_judged_at_once(start: str, piece: str) -> None:
    began = time.process_time()
    build_failed(start + piece * (65_536 // len(piece)), 1, DISTRIBUTIONS)
    build_failed("\n".join([start + piece * 60] * (65_536 // (60 * len(piece)))), 1, DISTRIBUTIONS)
    assert time.process_time() - began < 2
