"""What is said of files that Python programs did not find or could not write, with what is known of the upload."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pytest

from labd.diagnosis import languages
from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.diagnosis.programs import Diagnosis, program_failed

PYTHON, NOTEBOOK = languages.of(["python"]), languages.of(["notebook"])
LIBRARY = "/usr/local/lib/python3.11/site-packages"


def verdict(
    path: str,
    code: str,
    called: Sequence[str] = (),
    files: Sequence[str] = (),
    sources: Mapping[str, str] | None = None,
) -> Diagnosis:
    """What is said when the line `code` of app.py did not find `path`, in the functions `called` of a library."""
    shown = path.replace("\\", "\\\\")
    log = f'Traceback (most recent call last):\n  File "/code/app.py", line 3, in <module>\n    {code}\n'
    log += "".join(f'  File "{LIBRARY}/x.py", line 9, in {name}\n    f(x)\n' for name in called)
    log += f"FileNotFoundError: [Errno 2] No such file or directory: '{shown}'\n"
    evidence = Evidence({}, UploadListing(dict.fromkeys(files, 1), is_whole=True), sources or {})
    return program_failed(log, 1, evidence, PYTHON)


@pytest.mark.parametrize(
    ("path", "code", "called", "folder", "instead"),
    [
        ("results/fig.txt", "open('results/fig.txt','w').write('x')", (), "results", "/output/fig.txt"),
        ("../results/out.txt", 'with open("../results/out.txt", mode="wb") as f:', (), "../results", "/output/out.txt"),
        ("results/log.txt", "f = open(name, 'a')", (), "results", "/output/log.txt"),
        ("D:\\out\\r.csv", "open(r'D:\\out\\r.csv', 'w')", (), "D:\\out", "/output/r.csv"),
        ("/res/a.txt", "Path('/res/a.txt').write_text('x')", ("write_text", "open"), "/res", "/output/a.txt"),
        ("figures/f.png", "plt.savefig('figures/f.png')", ("savefig", "print_figure"), "figures", "/output/f.png"),
        ("figures/f.png", "plot(1)", ("savefig", "print_png", "open"), "figures", "/output/f.png"),
        ("out/m.pkl", "joblib.dump(model, 'out/m.pkl')", ("dump",), "out", "/output/m.pkl"),
        ("out/m.npy", "np.save('out/m.npy', x)", ("save",), "out", "/output/m.npy"),
        ("out/x.csv", "shutil.copy('/input/x.csv', 'out/x.csv')", ("copy", "copyfile"), "out", "/output/x.csv"),
        ("logs/run.log", "logging.FileHandler('logs/run.log')", ("__init__", "_open"), "logs", "/output/run.log"),
        ("a/b", "os.mkdir('a/b')", (), "a", "/output/b"),
        ("output/fig.txt", "open('output/fig.txt', 'w')", (), "output", "`/output/fig.txt` instead, with a slash"),
        ("/output/p/a.png", "plt.savefig('/output/p/a.png')", ("savefig",), "/output/p", 'os.makedirs("/output/p"'),
    ],
)  # fmt: skip
def test_writing_into_a_folder_that_is_not_there_is_told_where_results_go(
    path: str, code: str, called: Sequence[str], folder: str, instead: str
) -> None:
    found = verdict(path, code, called, files=["input/fig.txt", "input/x.csv"])
    assert found.cause == f"Your program writes into `{folder}`, which does not exist (code/app.py, line 3)."
    assert instead in found.hint
    assert "input" not in found.hint


@pytest.mark.parametrize(
    ("path", "code", "called"),
    [
        ("data/x.csv", "rows = open('data/x.csv').read()", ()),
        ("data/x.csv", "f = open('data/x.csv', 'rb')", ()),
        ("data/x.csv", "pd.read_csv('data/x.csv').to_csv('/output/r.csv')", ("read_csv", "get_handle")),
        ("data/x.csv", "shutil.copy('data/x.csv', '/output/x.csv')", ("copy", "copyfile")),
        ("data/x.txt", "d = np.loadtxt('data/x.txt')", ("loadtxt", "_read", "open")),
        ("data/x.txt", "d = read(name)", ("load", "open")),
        ("data/x.txt", "Path('data/x.txt').read_text()", ("read_text", "open")),
    ],
)
def test_reading_is_told_nothing_of_results(path: str, code: str, called: Sequence[str]) -> None:
    name = path.rpartition("/")[2]
    found = verdict(path, code, called)
    assert found.cause == f"Your program could not find `{path}` (code/app.py, line 3)."
    assert found.hint == f"Put {name} into the folder input/ of your project and open it as /input/{name}."
    assert verdict(path, code, called, [f"input/{name}"]).hint == (
        f"Your upload has input/{name}: open it as /input/{name}."
    )


def test_a_path_that_is_known_from_the_source_only_counts_as_well() -> None:
    sources = {"code/app.py": "def write(name): ...\nx = open('results/a.txt', 'w')\n"}
    assert "/output/a.txt" in verdict("results/a.txt", "go(x)", sources=sources).hint


def test_a_folder_that_was_sent_is_not_called_missing() -> None:
    found = verdict("results/a.txt", "open('results/a.txt', 'w')", files=["code/results/b.txt"])
    assert "does not exist" not in found.cause
    beside = verdict("results/a.txt", "open('results/a.txt', 'w')", files=["results/b.txt"])
    assert "writes into `results`, which does not exist" in beside.cause


def notebook(message: str, cell: str, *files: str) -> Diagnosis:
    cells = [{"cell_type": "markdown", "source": "x"}, {"cell_type": "code", "source": cell}]
    listed = UploadListing(dict.fromkeys(files, 1), is_whole=True)
    evidence = Evidence({}, listed, {"code/app.ipynb": json.dumps({"cells": cells})})
    return program_failed(f"Cell 1 stopped: FileNotFoundError: {message}\n", 1, evidence, NOTEBOOK)


def test_cells_of_notebooks_are_told_the_same() -> None:
    message = "[Errno 2] No such file or directory: 'data/measure.csv'"
    found = notebook(message, "rows = open('data/measure.csv').read()", "input/measure.csv")
    assert found.cause.startswith("Cell 1 stopped: ")
    assert found.hint == "Your upload has input/measure.csv: open it as /input/measure.csv."
    assert "/output/measure.csv" in notebook(message, "open('data/measure.csv', 'w')").hint


@pytest.mark.parametrize(
    ("error", "source", "is_told"),
    [
        ("UnpicklingError: invalid load key, 'v'.", "pickle.load(open('/input/model.pkl','rb'))", True),
        ("KeyError: 'temperature'", "r = read('/input/model.pkl')", True),
        ("OSError: cannot read /input/model.pkl", "go()", True),
        ("KeyError: 'temperature'", "go('/input/other_model.pkl2')", False),
        ("ModuleNotFoundError: No module named 'cv2'", "open('/input/model.pkl')", False),
        ("NameError: name 'x' is not defined", "open('/input/model.pkl')", False),
    ],
)
def test_a_git_lfs_pointer_is_the_cause_whatever_the_error(error: str, source: str, is_told: bool) -> None:
    log = f'Traceback (most recent call last):\n  File "/code/app.py", line 2, in <module>\n    d = x\n{error}\n'
    listed = UploadListing({"input/model.pkl": 133}, {"input/model.pkl": 12345678}, True)
    found = program_failed(log, 1, Evidence({}, listed, {"code/app.py": source}), PYTHON)
    told = "input/model.pkl is a git-lfs pointer of 133 bytes, not the data (11.8 MB) (code/app.py, line 2)."
    assert (found.cause == told) == is_told
    assert ("`git lfs pull`" in found.hint) == is_told
