"""The verdicts on programs and uploads, from what real programs printed (folders and host names shortened)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.diagnosis.programs import (
    Diagnosis,
    no_program,
    nothing_in_output,
    out_of_memory,
    program_failed,
    timed_out,
)

PYTHON = languages.of(["python"])
LANGUAGES = ("python", "notebook", "r", "octave", "matlab")
UPLOADS = Path(__file__).parents[2] / "uploads"
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "google.protobuf": "protobuf",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
NETWORK = "URLError: <urlopen error [Errno -3] Temporary failure in name resolution>"


def traceback(error: str, place: str = '/code/app.py", line 12, in main') -> str:
    """What Python prints for `error`, raised in a library that the program called at `place`."""
    return dedent(
        f"""\
        reading the table
        Traceback (most recent call last):
          File "/code/app.py", line 30, in <module>
            main()
          File "{place}
            table = read(path)
                    ^^^^^^^^^^
          File "/usr/local/lib/python3.11/site-packages/tables/reader.py", line 99, in read
            raise problem
        """
    ) + (error + "\n")


def verdict(log: str, exit_code: int = 1) -> Diagnosis:
    return program_failed(log, exit_code, Evidence(DISTRIBUTIONS), PYTHON)


class TestAProgramThatRaised:
    def test_is_told_the_error_and_the_line_of_its_own_code(self) -> None:
        found = verdict(traceback("ValueError: the table has no column mass"))
        assert found.cause == "Your program stopped at code/app.py, line 12: ValueError: the table has no column mass."
        assert "code/app.py near line 12" in found.hint

    def test_is_told_its_own_line_and_not_one_in_libraries_that_lie_in_code(self) -> None:
        inside = traceback("KeyError: 'mass'", '/code/.venv/lib/python3.11/site-packages/x/y.py", line 7, in get')
        assert "code/app.py, line 30: KeyError: 'mass'" in verdict(inside).cause

    def test_is_told_no_line_when_none_is_its_own(self) -> None:
        log = 'Traceback (most recent call last):\n  File "<frozen runpy>", line 198, in _run\nOSError: broken\n'
        assert verdict(log).cause == "Your program stopped: OSError: broken."

    def test_is_understood_when_the_beginning_of_the_log_is_cut_off(self) -> None:
        log = traceback("ValueError: bad")
        assert verdict(log[log.index("line 30") :]) == verdict(log)
        assert "code/app.py, line 12: ValueError: bad" in verdict(log[log.index("main()") :]).cause

    def test_is_told_the_last_error_of_several(self) -> None:
        first = traceback("KeyError: 'first'")
        assert "second" in verdict(first + "going on\n" + traceback("KeyError: 'second'")).cause

    def test_is_told_the_last_of_a_chain(self) -> None:
        log = (
            traceback("KeyError: 'k'")
            + ("\nDuring handling of the above exception, another exception occurred:\n\n")
            + traceback("RuntimeError: no such star", '/code/stars.py", line 4, in find')
        )
        assert verdict(log).cause == "Your program stopped at code/stars.py, line 4: RuntimeError: no such star."

    def test_is_told_the_line_in_a_worker_process_where_the_error_began(self) -> None:
        log = dedent(
            """\
            multiprocessing.pool.RemoteTraceback:
            \"\"\"
            Traceback (most recent call last):
              File "/usr/local/lib/python3.11/multiprocessing/pool.py", line 125, in worker
                result = (True, func(*args, **kwds))
              File "/code/app.py", line 3, in f
                return 1//x
                       ~^^~
            ZeroDivisionError: integer division or modulo by zero
            \"\"\"

            The above exception was the direct cause of the following exception:

            Traceback (most recent call last):
              File "/code/app.py", line 6, in <module>
                p.map(f,[0])
              File "/usr/local/lib/python3.11/multiprocessing/pool.py", line 774, in get
                raise self._value
            ZeroDivisionError: integer division or modulo by zero
            """
        )
        assert "code/app.py, line 3: ZeroDivisionError" in verdict(log).cause

    def test_is_told_its_own_line_when_a_library_raises_the_same_error_twice(self) -> None:
        log = dedent(
            """\
            Traceback (most recent call last):
              File "/usr/local/lib/python3.11/site-packages/pandas/core/indexes/base.py", line 3816, in get_loc
                return self._engine.get_loc(casted_key)
              File "pandas/_libs/index.pyx", line 172, in pandas._libs.index.IndexEngine.get_loc
            KeyError: 'b'

            The above exception was the direct cause of the following exception:

            Traceback (most recent call last):
              File "/code/app.py", line 2, in <module>
                table["b"]
              File "/usr/local/lib/python3.11/site-packages/pandas/core/indexes/base.py", line 3823, in get_loc
                raise KeyError(key) from err
            KeyError: 'b'
            """
        )
        assert verdict(log).cause == "Your program stopped at code/app.py, line 2: KeyError: 'b'."

    def test_is_told_the_first_error_of_a_group(self) -> None:
        log = dedent(
            """\
            reading the table
              + Exception Group Traceback (most recent call last):
              |   File "/code/app.py", line 6, in <module>
              |     raise ExceptionGroup("many", es)
              | ExceptionGroup: many (2 sub-exceptions)
              +-+---------------- 1 ----------------
                | Traceback (most recent call last):
                |   File "/code/stars.py", line 9, in f
                |     raise ValueError("one")
                | ValueError: one
                +---------------- 2 ----------------
                | TypeError: two
                +------------------------------------
            """
        )
        assert verdict(log).cause == "Your program stopped at code/stars.py, line 9: ValueError: one."

    def test_is_told_the_first_error_of_a_group_that_was_never_raised_itself(self) -> None:
        log = dedent(
            """\
            reading the table
              + Exception Group Traceback (most recent call last):
              |   File "/code/app.py", line 1, in <module>
              |     raise ExceptionGroup("many", [TypeError("naked")])
              | ExceptionGroup: many (1 sub-exception)
              +-+---------------- 1 ----------------
                | TypeError: naked
                +------------------------------------
            """
        )
        assert verdict(log).cause == "Your program stopped at code/app.py, line 1: TypeError: naked."

    @pytest.mark.parametrize(
        "preface",
        [
            "Exception ignored in: <function A.__del__ at 0x7f2a981147c0>",
            "Exception in thread Thread-1 (work):",
            "Process SpawnPoolWorker-1:",
            "Error in atexit._run_exitfuncs:",
        ],
    )
    def test_is_not_told_an_error_that_did_not_end_it(self, preface: str) -> None:
        beside = f"{preface}\n" + traceback("ValueError: beside")
        assert "true cause" in verdict(traceback("RuntimeError: true cause") + beside).cause
        assert "true cause" in verdict(beside + traceback("RuntimeError: true cause")).cause
        assert "beside" in verdict(beside).cause

    def test_is_not_told_a_traceback_that_is_part_of_the_message(self) -> None:
        nested = "ValueError: \nAll the 5 fits failed.\n\n5 fits failed with the following error:\n" + dedent(
            """\
            Traceback (most recent call last):
              File "/usr/local/lib/python3.11/site-packages/sklearn/utils/validation.py", line 1079, in check_array
                raise ValueError(
            ValueError: dtype='numeric' is not compatible with arrays of bytes/strings.
            """
        )
        found = verdict(traceback(nested.rstrip("\n")))
        assert found.cause == "Your program stopped at code/app.py, line 12: ValueError: All the 5 fits failed."

    def test_is_told_the_error_above_warnings_and_progress_bars(self) -> None:
        late = "/code/app.py:4: UserWarning: late one\n  warnings.warn('late one')\n"
        log = "\r 10%|#   | 1/10\r 20%|##  | 2/10\n" + traceback("ValueError: bad") + late
        assert "ValueError: bad" in verdict(log).cause

    def test_is_read_without_its_colours(self) -> None:
        log = (
            "Traceback (most recent call last):\n"
            '  File \x1b[35m"/code/app.py"\x1b[0m, line \x1b[35m2\x1b[0m, in \x1b[35m<module>\x1b[0m\n'
            "    \x1b[31m1\x1b[0m\x1b[1;31m/\x1b[0m\x1b[31m0\x1b[0m\n"
            "\x1b[1;35mZeroDivisionError\x1b[0m: \x1b[35mdivision by zero\x1b[0m\n"
        )
        assert "code/app.py, line 2: ZeroDivisionError: division by zero" in verdict(log).cause

    def test_is_read_with_windows_line_ends_and_damaged_letters(self) -> None:
        log = traceback("ValueError: caf\ufffd").replace("\n", "\r\n")
        assert "code/app.py, line 12: ValueError: caf\ufffd" in verdict(log).cause

    def test_long_ago_and_went_on_is_told_what_it_said_last(self) -> None:
        log = traceback("ValueError: skipped one") + "".join(f"star {n}\n" for n in range(30)) + "gave up\n"
        assert "gave up" in verdict(log).cause
        assert "ValueError" not in verdict(log).cause

    def test_in_another_thread_and_crashed_in_native_code_is_told_of_the_error(self) -> None:
        log = traceback("ValueError: bad") + "terminate called without an active exception\n"
        assert "ValueError: bad" in verdict(log, 134).cause


class TestSyntaxErrors:
    def test_name_the_line_though_no_program_ran(self) -> None:
        log = "  File \"/code/app.py\", line 2\n    print((1)\n         ^\nSyntaxError: '(' was never closed\n"
        assert verdict(log).cause == "Your program is not valid Python: '(' was never closed (code/app.py, line 2)."

    def test_in_a_module_of_the_researcher_name_that_module(self) -> None:
        log = dedent(
            """\
            Traceback (most recent call last):
              File "/code/app.py", line 1, in <module>
                import other
              File "/code/other.py", line 2
                y = (2
                     ^
            SyntaxError: unexpected EOF while parsing
            """
        )
        assert "(code/other.py, line 2)" in verdict(log).cause

    def test_of_python_2_are_called_so(self) -> None:
        message = "SyntaxError: Missing parentheses in call to 'print'. Did you mean print(...)?"
        assert "Python 2" in verdict(f'  File "app.py", line 1\n    print "x"\n    ^\n{message}\n').hint

    @pytest.mark.parametrize(
        ("log", "file", "has_other_way"),
        [
            (
                "SyntaxError: Non-UTF-8 code starting with '\\xe9' in file /code/app.py on line 1, but no encoding "
                "declared; see https://peps.python.org/pep-0263/ for details\n",
                "code/app.py",
                True,
            ),
            (
                'Traceback (most recent call last):\n  File "/code/app.py", line 1, in <module>\n    import lib.io\n'
                '  File "/code/lib/io.py", line 3\nSyntaxError: source code cannot contain null bytes\n',
                "code/lib/io.py",
                False,
            ),
            ('  File "/code/app.py", line 1\nSyntaxError: unknown encoding: utf8-bom\n', "code/app.py", False),
        ],
    )
    def test_because_of_an_encoding_name_the_file_and_how_to_save_it(
        self, log: str, file: str, has_other_way: bool
    ) -> None:
        found = verdict(log)
        assert found.cause.startswith(f"Your program's file {file} is not UTF-8 text ({file}, line ")
        assert found.hint.startswith(f"Save {file} as UTF-8 in your editor")
        assert ("latin-1" in found.hint) == has_other_way

    def test_because_of_the_encoding_of_an_imported_file_name_that_file_or_none(self) -> None:
        error = "SyntaxError: (unicode error) 'utf-8' codec can't decode byte 0xe9 in position 2: invalid data"
        for line in ("import lib.io", "from lib import io", "from lib.io import read"):
            log = (
                f'Traceback (most recent call last):\n  File "/code/app.py", line 1, in <module>\n    {line}\n{error}\n'
            )
            evidence = Evidence(DISTRIBUTIONS, UploadListing({"code/app.py": 1, "code/lib/io.py": 1}))
            assert "Save code/lib/io.py as UTF-8" in program_failed(log, 1, evidence, PYTHON).hint
            assert verdict(log).cause == "A file that your program imports is not UTF-8 text (code/app.py, line 1)."

    def test_in_data_are_not_called_errors_of_the_program(self) -> None:
        log = dedent(
            """\
            Traceback (most recent call last):
              File "/code/app.py", line 2, in <module>
                ast.literal_eval("1 +")
              File "<unknown>", line 1
                1 +
                   ^
            SyntaxError: invalid syntax
            """
        )
        assert verdict(log).cause == "Your program stopped at code/app.py, line 2: SyntaxError: invalid syntax."


class TestAMissingModule:
    @pytest.mark.parametrize(
        ("message", "line"),
        [
            ("No module named 'cv2'", "opencv-python-headless"),
            ("No module named 'sklearn'", "scikit-learn"),
            ("No module named 'google.protobuf'", "protobuf"),
            ("No module named 'pandas'", "pandas"),
        ],
    )
    def test_that_is_known_gets_the_line_to_add(self, message: str, line: str) -> None:
        found = verdict(traceback(f"ModuleNotFoundError: {message}"))
        assert found.hint == f"Add the line `{line}` to code/requirements.txt."
        assert "(code/app.py, line 12)" in found.cause

    def test_that_is_not_known_may_be_the_researchers_own(self) -> None:
        hint = verdict(traceback("ModuleNotFoundError: No module named 'fits_tools'")).hint
        assert hint.startswith("If it is your own module, upload the file code/fits_tools.py; if it is a library")
        assert "`fits_tools`" not in hint

    def test_that_is_a_part_of_an_installed_library_asks_for_another_version(self) -> None:
        found = verdict(traceback("ModuleNotFoundError: No module named 'sklearn.externals'"))
        assert "has no such part" in found.cause
        assert "`pip show scikit-learn`" in found.hint

    def test_that_is_a_part_of_an_own_folder_asks_for_that_file(self) -> None:
        hint = verdict(traceback("ModuleNotFoundError: No module named 'stars.fit'")).hint
        assert "Upload the file code/stars/fit.py" in hint

    def test_that_another_library_asks_for_gets_the_line_to_add(self) -> None:
        message = "ImportError: Missing optional dependency 'openpyxl'.  Use pip or conda to install openpyxl."
        assert verdict(traceback(message)).hint == "Add the line `openpyxl` to code/requirements.txt."

    def test_of_windows_is_not_looked_for_in_the_package_index(self) -> None:
        found = verdict(traceback("ModuleNotFoundError: No module named 'winreg'"))
        assert "Windows only" in found.cause
        assert "requirements.txt" not in found.hint

    def test_that_left_python_asks_for_an_older_python(self) -> None:
        assert 'python = "' in verdict(traceback("ModuleNotFoundError: No module named 'imp'")).hint

    def test_that_is_hidden_by_an_own_file_says_so(self) -> None:
        message = "ModuleNotFoundError: No module named 'random.mt'; 'random' is not a package"
        assert "code/ is called `random.py`" in verdict(traceback(message)).hint


class TestAPath:
    @pytest.mark.parametrize(
        ("path", "name"),
        [
            (r"C:\\Users\\ana\\data.csv", "data.csv"),
            ("D:/thesis/data.csv", "data.csv"),
            ("/Users/ana/data.csv", "data.csv"),
            ("/home/ana/My Data/data.csv", "data.csv"),
            ("data/data.csv", "data.csv"),
            ("data.csv", "data.csv"),
        ],
    )
    def test_of_data_that_are_not_there_says_where_data_go(self, path: str, name: str) -> None:
        found = verdict(traceback(f"FileNotFoundError: [Errno 2] No such file or directory: '{path}'"))
        assert "could not find" in found.cause
        assert f"Put {name} into the folder input/ of your project and open it as /input/{name}" in found.hint

    def test_of_the_researchers_computer_is_called_so(self) -> None:
        error = r"FileNotFoundError: [Errno 2] No such file or directory: 'C:\\Users\\ana\\data.csv'"
        assert r"`C:\Users\ana\data.csv`, a path of another computer" in verdict(traceback(error)).cause

    @pytest.mark.parametrize(
        ("error", "hint"),
        [
            ("FileNotFoundError: [Errno 2] No such file or directory: '/input/A.csv'", "capital and small letters"),
            ("FileNotFoundError: [Errno 2] No such file or directory: '../input/a.csv'", "Write `/input/a.csv`"),
            ("FileNotFoundError: [Errno 2] No such file or directory: 'output/a.csv'", "Write `/output/a.csv`"),
            ("FileNotFoundError: [Errno 2] No such file or directory: '/output/p/a.png'", 'os.makedirs("/output/p"'),
            ("OSError: Cannot save file into a non-existent directory: 'results'", "Write to /output instead"),
            ("OSError: Cannot save file into a non-existent directory: '/output/a'", 'os.makedirs("/output/a"'),
            ("FileNotFoundError: stars.txt not found.", "open it as /input/stars.txt"),
            (
                "FileNotFoundError: [Errno 2] Unable to synchronously open file (unable to open file: "
                "name = 'x.h5', errno = 2, error message = 'No such file or directory', flags = 0)",
                "open it as /input/x.h5",
            ),
            ("OSError: [Errno 30] Read-only file system: '/results'", "write your results to /output".capitalize()),
            ("PermissionError: [Errno 13] Permission denied: '/data/x.csv'", "such as /output/x.csv"),
        ],
    )
    def test_that_cannot_be_used_says_which_can(self, error: str, hint: str) -> None:
        assert hint in verdict(traceback(error)).hint

    def test_of_a_command_is_not_taken_for_data(self) -> None:
        log = traceback("FileNotFoundError: [Errno 2] No such file or directory: 'ffmpeg'").replace(
            "site-packages/tables/reader.py", "subprocess.py"
        )
        assert "calls the command `ffmpeg`" in verdict(log).cause


@pytest.mark.parametrize(
    ("error", "cause", "hint"),
    [
        (f"urllib.error.{NETWORK}", "network", "`network = true`"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='a', port=443): Max retries exceeded with url: "
         "/x (Caused by NameResolutionError(\"Failed to resolve 'a'\"))", "network", "`network = true`"),
        ("OSError: [Errno 101] Network is unreachable", "network", "`network = true`"),
        ("OSError: We couldn't connect to 'https://models.example' to load the files", "network", "`network = true`"),
        ("ConnectionRefusedError: [Errno 111] Connection refused", "none is running", "/input"),
        ("EOFError: EOF when reading a line", "keyboard", "args ="),
        ("_tkinter.TclError: no display name and no $DISPLAY environment variable", "no screen", "plt.savefig"),
        ("ImportError: Cannot load backend 'TkAgg' which requires the 'tk' interactive framework, as 'headless' is "
         "currently running", "no screen", "plt.savefig"),
        ("ImportError: libtk8.6.so: cannot open shared object file: No such file or directory", "no screen", "savefig"),
        ("RuntimeError: Found no NVIDIA driver on your system.", "graphics card", "gpus = 1"),
        ("pynvml.NVMLError_Unknown: Failed to initialize NVML: Unknown Error", "took the graphics card", "RERUN"),
        ("AssertionError: Torch not compiled with CUDA enabled", "graphics card", "gpus = 1"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "graphics card", "smaller batch"),
        ("numpy.core._exceptions._ArrayMemoryError: Unable to allocate 728. TiB for an array with shape (10000000, "
         "10000000) and data type float64", "more memory", "`memory ="),
        ("MemoryError", "more memory", "`memory ="),
        ("OSError: [Errno 28] No space left on device: '/tmp/x'", "no space left", "/output"),
        ("OSError: [Errno 28] No space left on device", "no space left", "/output"),
        ("OSError: [Errno 28] No space left on device: '/dev/shm/x'", "/dev/shm", "`memory` in job.toml does not"),
        ("RuntimeError: unable to open shared memory object </torch_1>", "/dev/shm", "num_workers=0"),
        ("RuntimeError: DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that dataloader's "
         "workers are out of shared memory.", "/dev/shm", "num_workers=0"),
        ("UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9 in position 3: invalid continuation byte",
         "encoding utf-8", 'encoding="cp1252"'),
        ("concurrent.futures.process.BrokenProcessPool: A process in the process pool was terminated abruptly while "
         "the future was running or pending.", "for want of memory", "fewer processes"),
        ("RuntimeError: can't start new thread", "more processes or threads", "cpus"),
        ("ImportError: libGL.so.1: cannot open shared object file: No such file or directory", "screen",
         "`opencv-python-headless` instead of `opencv-python`"),
        ("ImportError: libgdal.so.32: cannot open shared object file: No such file or directory", "`libgdal.so.32`",
         "administrator"),
        ("AttributeError: module 'numpy' has no attribute 'flat'", "version of `numpy` has no `flat`", "pip show"),
        ("ImportError: cannot import name 'Nope' from 'sklearn.svm' (/usr/lib/python3/site-packages/sklearn/svm.py)",
         "`sklearn.svm` has no `Nope`", "`pip show scikit-learn`"),
        ("ImportError: cannot import name 'fit' from 'stars' (/code/stars.py)", "Your file for `stars`", "newest"),
        ("AttributeError: partially initialized module 'csv' has no attribute 'reader' (most likely due to a circular "
         "import)", "`csv`", "`csv.py`"),
        ("ValueError: numpy.dtype size changed, may indicate binary incompatibility.", "NumPy", "`numpy<2`"),
        ("ssl.SSLCertVerificationError: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify", "right one", "input/"),
    ],
)  # fmt: skip
def test_a_well_known_error_is_explained(error: str, cause: str, hint: str) -> None:
    found = verdict(traceback(error))
    assert cause in found.cause
    assert found.cause.endswith(" (code/app.py, line 12).")
    assert hint in found.hint


def test_output_that_comes_in_between_is_not_taken_for_the_error() -> None:
    log = traceback("ZeroDivisionError: division by zero").replace("ZeroDivisionError", "stars: 0\nZeroDivisionError")
    assert "ZeroDivisionError: division by zero" in verdict(log).cause


def test_a_module_of_the_researcher_is_not_called_an_installed_version() -> None:
    found = verdict(traceback("AttributeError: module 'stars' has no attribute 'fit'"))
    assert "installed" not in found.cause
    assert "code/app.py, line 12: AttributeError" in found.cause


def test_processes_that_start_processes_are_told_so_though_the_program_fails_later() -> None:
    child = traceback(
        "RuntimeError: \n        An attempt has been made to start a new process before the\n"
        "        current process has finished its bootstrapping phase.\n"
    )
    assert '`if __name__ == "__main__":`' in verdict(child + traceback("EOFError")).hint


class TestAProgramThatEndedWithoutATraceback:
    def test_is_quoted_with_its_last_words(self) -> None:
        found = verdict("reading\nno galaxies found\n")
        assert found.cause == "Your program ended with exit code 1; the last it printed is: no galaxies found."

    def test_is_quoted_without_what_says_nothing(self) -> None:
        log = "bad column: mass\n\n-----\n/code/app.py:3: DeprecationWarning: old\n100%|####| 5/5\n"
        assert "bad column: mass" in verdict(log, 3).cause
        assert "exit code 3" in verdict(log, 3).cause

    def test_and_printed_nothing_is_told_to_say_more(self) -> None:
        found = verdict("\n", 3)
        assert found.cause == "Your program ended with exit code 3 and printed nothing."
        assert "sys.exit" in found.hint

    def test_but_told_a_known_error_gets_its_remedy(self) -> None:
        assert "/input/x.csv" in verdict("Error: [Errno 2] No such file or directory: 'x.csv'\n").hint
        assert "network = true" in verdict(f"download failed: {NETWORK}\n").hint

    def test_for_want_of_arguments_is_told_where_to_give_them(self) -> None:
        log = "usage: app.py [-h] --epochs EPOCHS\napp.py: error: the following arguments are required: --epochs\n"
        found = verdict(log, 2)
        assert "the following arguments are required: --epochs" in found.cause
        assert "args = [" in found.hint

    def test_because_a_command_is_missing_names_the_command(self) -> None:
        assert "the command `ffmpeg`" in verdict("/bin/sh: 1: ffmpeg: not found\n", 127).cause
        assert "may not be run" in verdict("run.sh: Permission denied\n", 126).cause

    @pytest.mark.parametrize(
        ("exit_code", "cause"),
        [
            (137, "stopped by force"),
            (-9, "stopped by force"),
            (139, "crashed inside a library of compiled code, with a segmentation fault"),
            (135, "most often of /dev/shm"),
            (134, "found an error in itself"),
            (132, "instruction that this machine's processor does not have"),
            (143, "asked to stop"),
            (130, "interrupted"),
            (150, "stopped from outside"),
        ],
    )
    def test_by_a_signal_is_told_in_words(self, exit_code: int, cause: str) -> None:
        found = verdict("working\n", exit_code)
        assert cause in found.cause
        assert f"(exit code {exit_code if exit_code > 0 else 128 - exit_code})" in found.cause
        assert "SIG" not in found.cause + found.hint

    def test_with_a_high_exit_code_of_its_own_is_not_called_killed(self) -> None:
        assert (
            verdict("no data\n", 255).cause == "Your program ended with exit code 255; the last it printed is: no data."
        )

    def test_and_left_a_dump_is_told_the_line(self) -> None:
        log = dedent(
            """\
            Fatal Python error: Segmentation fault

            Current thread 0x00007f899f5bdb80 (most recent call first):
              File "/usr/local/lib/python3.11/ctypes/__init__.py", line 519 in string_at
              File "/code/app.py", line 4 in boom
              File "/code/app.py", line 5 in <module>
            """
        )
        assert "at code/app.py, line 4" in verdict(log, 139).cause

    def test_because_a_library_wanted_a_screen_is_told_so(self) -> None:
        log = dedent(
            """\
            qt.qpa.xcb: could not connect to display
            qt.qpa.plugin: Could not load the Qt platform plugin "xcb" in "/usr/local/lib/cv2" even though it was found.

            Available platform plugins are: xcb.
            """
        )
        assert "no screen" in verdict(log, 134).cause

    def test_because_a_library_gave_up_is_quoted_with_its_words(self) -> None:
        assert "Assertion failed: n > 0" in verdict("solver.c:12: Assertion failed: n > 0\n", 134).cause


class TestLimits:
    def test_of_memory_are_told_with_what_was_used(self) -> None:
        found = out_of_memory(8 * 1024**3, 8 * 1024**3 - 5_000_000)
        assert "its limit of 8 GB" in found.cause
        assert "had used 8 GB" in found.cause
        assert "memory = " in found.hint
        assert "used" not in out_of_memory(64 * 1024**2, None).cause

    def test_come_with_an_option_that_would_be_enough(self) -> None:
        assert '"16g"' in out_of_memory(8 * 1024**3, None).hint
        assert '"1g"' in out_of_memory(64 * 1024**2, None).hint
        assert '"24h"' in timed_out(43_200).hint
        assert '"3m"' in timed_out(90).hint

    def test_of_time_are_told_in_hours_and_minutes(self) -> None:
        assert "its time of 12 hours was over" in timed_out(43_200).cause
        assert "1 minute 30 seconds" in timed_out(90).cause


class TestNothingInOutput:
    def test_names_what_was_written_elsewhere(self) -> None:
        found = nothing_in_output(["code/results.csv", "code/plot.png", "code/log.txt"])
        assert "`code/results.csv`, `code/plot.png` and 1 more" in found.cause
        assert "/output/results.csv" in found.hint
        assert "stray/" in found.hint

    def test_proposes_the_name_alone_of_a_path_of_windows(self) -> None:
        assert "such as /output/out.csv" in nothing_in_output(["code/C:\\Users\\me\\Desktop\\out.csv"]).hint

    def test_says_where_results_go_when_there_are_none(self) -> None:
        assert nothing_in_output([]).cause.endswith("wrote nothing to /output.")


class TestNoProgram:
    @pytest.mark.parametrize(
        ("files", "cause", "hint"),
        [
            (["code/App.py"], "`code/App.py` and must be named `code/app.py`", "Rename code/App.py to code/app.py"),
            (["Code/app.py"], "`Code/app.py` and must be named `code/app.py`", "Rename Code/app.py to code/app.py"),
            (["code/app.py.txt"], "`code/app.py.txt`", "Rename code/app.py.txt to code/app.py"),
            (["code/main.py", "plot.py"], "named `code/main.py`; labd runs `code/app.py`", "Rename code/main.py"),
            (["main.py"], "named `main.py`", "Rename main.py to code/app.py"),
            (["code/a.py", "code/b.py", "code/c.py"], "`code/a.py`, `code/b.py` and 1 more", "the one that should run"),
            (["app.py", "code/x.py"], "`app.py` is beside the folder code/", "Move it to code/app.py"),
            (["app.py"], "`app.py` is not directly in code/", "Move it to code/app.py"),
            (["src/app.py"], "`src/app.py` is not directly in code/", "Move it to code/app.py"),
            (["project/code/app.py"], "one folder too deep: `project/code/app.py`", "in the folder project,"),
            (["project/project/code/app.py"], "one folder too deep: `project/code/app.py`", "in the folder project,"),
            (["project/code/App.py"], "`code/App.py`", "Rename code/App.py"),
            (["project/app.py", "project/code/x.py"], "`app.py` is beside", "Move it"),
            (["code/analysis.ipynb", "input/a.csv"], "a notebook, `code/analysis.ipynb`", "Executable Script"),
            (["project.zip"], "packed into `project.zip`", "Unpack it"),
            ([], "empty", "code/app.py"),
            ([".DS_Store", "__MACOSX/code/app.py"], "empty", "code/app.py"),
            (["input/a.csv", "job.toml"], "it has `input/a.csv` and `job.toml`", "code/app.py"),
        ],
    )
    def test_says_what_is_there_instead(self, files: Sequence[str], cause: str, hint: str) -> None:
        found = no_program(files, ["app.py"])
        assert cause in found.cause
        assert hint in found.hint

    def test_does_not_let_a_notebook_import_others(self) -> None:
        hint = no_program(["code/1.ipynb", "code/2.ipynb"], ["app.ipynb"]).hint
        assert "put the cells of the others into it, or save them as .py files" in hint
        assert "can import" in no_program(["code/1.py", "code/2.py"], ["app.py"]).hint

    def test_speaks_of_the_language_that_was_meant(self) -> None:
        assert "code/app.m" in no_program(["code/App.m"], ["app.py", "app.m"]).hint
        assert "code/app.py or code/app.m" in no_program([], ["app.py", "app.m"]).hint


# ---- whatever is printed

PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):\n",
        "  + Exception Group Traceback (most recent call last):\n",
        "  +-+---------------- 1 ----------------\n",
        '  File "/code/app.py", line 3, in <module>\n',
        '  File "/code/app.py", line 3\n',
        "ValueError: ",
        "ModuleNotFoundError: No module named 'a.b'\n",
        "FileNotFoundError: [Errno 2] No such file or directory: '",
        "PermissionError: [Errno 13] Permission denied: '/'\n",
        "SyntaxError: (unicode error) 'unicodeescape'\n",
        "\nDuring handling of the above exception, another exception occurred:\n",
        "'\n",
        "\n",
        "\r",
        "\x1b[31m",
        "\u2028",
        "\x85",
    ]
)
LOGS = st.lists(PIECES | st.text(max_size=30), max_size=12).map("".join)


def is_plain(found: Diagnosis) -> bool:
    """Whether both sentences are one line that a person can read at a glance."""
    return (
        len(found.cause.splitlines()) == 1
        and found.cause.isprintable()
        and len(found.cause) <= 250
        and len(found.hint.splitlines()) == 1
        and found.hint.isprintable()
        and len(found.hint) <= 250
    )


@given(log=LOGS | st.text(), exit_code=st.integers(-70, 300), language=st.sampled_from([*LANGUAGES, "julia"]))
def test_no_output_of_a_program_breaks_the_verdict(log: str, exit_code: int, language: str) -> None:
    assert is_plain(program_failed(log, exit_code, Evidence(DISTRIBUTIONS), languages.of([language])))


@given(log=LOGS)
def test_no_names_of_libraries_break_the_verdict(log: str) -> None:
    assert is_plain(program_failed(log, 1, Evidence({"a": "x" * 500, "a.b": "c\nd"}), PYTHON))


PATHS = st.lists(
    st.sampled_from(["code", "project", "app", "App", ".py", ".zip", "/", "\n", "\udcff"]) | st.text(), max_size=5
)


@given(files=st.lists(PATHS.map("".join), max_size=6), programs=st.sampled_from([["app.py"], ["app.py", "app.m"]]))
def test_no_names_of_files_break_the_verdict(files: list[str], programs: list[str]) -> None:
    assert is_plain(no_program(files, programs))
    assert is_plain(nothing_in_output(files))


@pytest.mark.parametrize(
    "piece", ["a", " ", "-", '"', "'", "\\", "(", "\x1b[", "\x1b]", ": '", '  File "', "+-", "\r", "1.", "not found "]
)
@pytest.mark.parametrize("start", ["", "  +", "OSError: [Errno 2] No such file or directory: '", "ValueError: "])
def test_64_kilobytes_of_the_same_are_judged_at_once(start: str, piece: str) -> None:
    log = '  File "/code/app.py", line 3, in f\n' + start + piece * (65_536 // len(piece))
    began = time.process_time()
    verdict(log)
    verdict(log, 134)
    assert time.process_time() - began < 1


# ---- the sample uploads

CASES = sorted(path.parent.name for path in UPLOADS.glob("*/expect.toml"))


def expected(case: str) -> dict[str, str]:
    return tomli.loads((UPLOADS / case / "expect.toml").read_text(encoding="utf-8"))


def test_every_sample_project_says_what_is_expected_of_it() -> None:
    assert len(CASES) >= 18
    assert {path.name for path in UPLOADS.iterdir() if path.is_dir()} == set(CASES)
    for case in CASES:
        assert set(expected(case)) == {"outcome", "cause", "hint"}
        assert (UPLOADS / case / "project").is_dir()
