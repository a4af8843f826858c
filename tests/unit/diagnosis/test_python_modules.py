"""What is said of modules that Python programs do not find, with what is known of the upload."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.diagnosis import languages
from labd.diagnosis.evidence import own_modules
from labd.diagnosis.evidence.project import Evidence, UploadListing
from labd.diagnosis.programs import Diagnosis, program_failed

PYTHON = languages.of(["python"])
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML", "google.protobuf": "protobuf"}


def verdict(
    error: str, code: str, files: Sequence[str] = (), requirements: str = "", program: str = "", below: str = ""
) -> Diagnosis:
    """What is said when the line `code` of app.py met `error`, in the function `below` of a library."""
    log = f'Traceback (most recent call last):\n  File "/code/app.py", line 1, in <module>\n    {code}\n'
    if below:
        log += f'  File "/opt/env/lib/x.py", line 9, in {below}\n    x()\n'
    listed = UploadListing(dict.fromkeys(files, 1), is_whole=True)
    sources = {"code/app.py": program or f"{code}\n", "code/requirements.txt": requirements}
    return program_failed(f"{log}{error}\n", 1, Evidence(DISTRIBUTIONS, listed, sources), PYTHON)


def missing(code: str, *files: str, name: str = "", requirements: str = "", program: str = "") -> Diagnosis:
    module = name or code.split()[1].partition(".")[0]
    return verdict(f"ModuleNotFoundError: No module named '{module}'", code, files, requirements, program)


@pytest.mark.parametrize(
    ("code", "file", "remedy"),
    [
        ("from utils import load", "utils.py", "has utils.py, but beside code/: move it into code/."),
        ("import pkg.io", "pkg/io.py", "has pkg/, but beside code/: move it into code/."),
        ("from pkg import io", "pkg/__init__.py", "has pkg/, but beside code/: move it into code/."),
        ("import utils", "input/utils.py", "has input/utils.py, but not in code/: move it into code/."),
        ("import utils", "src/utils.py", "has src/utils.py, but not in code/: move it into code/."),
        ("import tools", "code/lib/tools.py", "code/lib/tools.py, so import it by `from lib import tools`, or move it"),
        ("import tools as t", "code/lib/tools.py", "import it by `from lib import tools as t`"),
        ("from tools import x, y", "code/a/b/tools.py", "import it by `from a.b.tools import x, y`"),
        ("import tools", "code/my lib/tools.py", "in a folder of its own: move it into code/ itself."),
        ("import tools.io", "code/lib/tools/io.py", "code/lib/tools/, in a folder of its own: move it"),
        ("from thesis.code.utils import f", "code/utils.py", "starts in /code: write `from utils import f`."),
        ("from code.utils import f", "code/utils.py", "write `from utils import f`."),
        ("import src.model as m", "code/model.py", "write `import model as m`."),
        ("import utils", "code/Utils.py", "in other letters, which count here: rename it to code/utils.py."),
        ("import my_utils", "code/my-utils.py", "rename it to code/my_utils.py."),
        ("import helpers", "code/helpers.ipynb", "which cannot be imported: save its cells as code/helpers.py"),
    ],
)  # fmt: skip
def test_an_own_module_is_told_with_its_place(code: str, file: str, remedy: str) -> None:
    found = missing(code, "code/app.py", file)
    name = code.split()[1].partition(".")[0]
    assert found.cause == f"Your program could not import your own module `{name}` (code/app.py, line 1)."
    assert remedy in found.hint
    assert "requirements.txt" not in found.hint


def test_a_module_that_nobody_knows_is_the_researchers_own_first_and_never_a_line() -> None:
    found = missing("from lab_functions import load", "code/app.py", "input/x.csv")
    assert found.hint == (
        "If it is your own module, upload the file code/lab_functions.py; if it is a library, add its name to "
        "code/requirements.txt."
    )


def test_a_library_is_a_library_though_the_upload_has_a_file_of_its_name() -> None:
    assert missing("import numpy", "old/numpy.py").hint == "Add the line `numpy` to code/requirements.txt."


def test_a_line_that_is_there_is_not_proposed_again() -> None:
    for line in ("PyYAML", "pyyaml>=6 ; python_version < '3'", "py_yaml # no\nPyYAML==6.0"):
        assert "Add the line" not in missing("import yaml", requirements=line).hint
    assert "Add the line `PyYAML`" in missing("import yaml", requirements="pyyaml-extra\n# PyYAML\n").hint


@pytest.mark.parametrize(
    ("error", "code", "requirements"),
    [
        ("ImportError: cannot import name 'load' from 'utils' (/opt/env/utils.py)", "from utils import load",
         "numpy\nutils\n"),
        ("AttributeError: module 'utils' has no attribute 'load'", "print(utils.load())", "utils==1.0\n"),
    ],
)  # fmt: skip
def test_a_library_that_was_installed_for_an_own_module_is_to_be_removed(
    error: str, code: str, requirements: str
) -> None:
    program = "import utils\nprint(utils.load())\n"
    found = verdict(error, code, ["code/app.py", "utils.py"], requirements, program)
    assert found.cause == "The library `utils` that is installed is not your own utils.py (code/app.py, line 1)."
    assert (
        "Remove the line `utils` from code/requirements.txt; your upload has utils.py, but beside code/" in found.hint
    )
    lib = verdict(error, code, ["code/lib/utils.py"], requirements, program)
    assert "has code/lib/utils.py, so import it by `from lib" in lib.hint


@pytest.mark.parametrize(
    ("code", "platform", "module"),
    [
        ("from google.colab import drive", "Google Colab", "google"),
        ("from google import colab", "Google Colab", "google"),
        ("import google.colab", "Google Colab", "google.colab"),
        ("from google.colab.patches import cv2_imshow", "Google Colab", "google.colab"),
        ("from kaggle_secrets import UserSecretsClient", "Kaggle", "kaggle_secrets"),
        ("from pyspark.dbutils import DBUtils", "Databricks", "pyspark.dbutils"),
    ],
)
def test_a_module_of_one_platform_is_called_so_and_gets_no_line(code: str, platform: str, module: str) -> None:
    program = f"{code}\nopen('/content/drive/MyDrive/data.csv')\n"
    found = missing(code, name=module, program=program)
    assert f"exists in {platform} only" in found.cause
    assert found.hint == "Remove the lines that use it; put your data into input/ and open them as /input/data.csv."
    top = module.partition(".")[0]
    assert f"and the line `{top}` from code/req" in missing(code, name=module, requirements=f"{top}\n").hint


def test_other_parts_of_a_shared_name_are_libraries() -> None:
    assert "Add the line `protobuf`" in missing("import google.protobuf", name="google.protobuf").hint


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        ("ModuleNotFoundError: No module named 'urllib2'", "import urllib2", "`urllib.request` instead of `urllib2`"),
        ("ModuleNotFoundError: No module named 'ConfigParser'", "import ConfigParser", "`configparser` instead"),
        ("ModuleNotFoundError: No module named 'Tkinter'", "import Tkinter", "`tkinter` instead of `Tkinter`"),
        ("NameError: name 'xrange' is not defined", "for i in xrange(3):", "Write `range` instead of `xrange`."),
        ("NameError: name 'raw_input' is not defined", "x = raw_input()", "Write `input` instead of `raw_input`."),
    ],
)
def test_a_program_for_python_2_is_called_that(error: str, code: str, hint: str) -> None:
    found = verdict(error, code)
    assert " of Python 2, which Python 3 does not have" in found.cause
    assert hint in found.hint
    assert "requirements.txt" not in found.hint


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ("ModuleNotFoundError: No module named 'commands'", "import commands"),
        ("NameError: name 'long' is not defined", "go(lat, long)"),
        ("NameError: name 'xrangee' is not defined", "xrangee(3)"),
    ],
)
def test_what_may_be_somebodys_own_name_is_not_called_python_2(error: str, code: str) -> None:
    assert "Python 2" not in verdict(error, code).cause


def test_a_program_for_python_2_is_told_of_all_its_names_at_once() -> None:
    program = "import urllib2, sys\nimport urllib2.request\nfor i in xrange(3): x.unicode(i)\n"
    error = "ModuleNotFoundError: No module named 'urllib2'"
    assert verdict(error, "import urllib2, sys", program=program).hint == (
        "Write `urllib.request` instead of `urllib2`, and `range` instead of `xrange`."
    )


@pytest.mark.parametrize(
    ("error", "file", "kind"),
    [
        ("AttributeError: module 'numpy' has no attribute 'ones'", "code/numpy.py", "the library `numpy`"),
        ("AttributeError: module 'yaml' has no attribute 'load'", "code/yaml/__init__.py", "the library `yaml`"),
        ("AttributeError: module 'random' has no attribute 'random'", "code/random.py", "the module `random`"),
        ("ImportError: cannot import name 'reader' from 'csv' (/code/csv.py)", "code/csv.py", "the module `csv`"),
        ("AttributeError: partially initialized module 'csv' has no attribute 'reader' (most likely due to a circular "
         "import)", "code/csv.py", "the module `csv`"),
        ("AttributeError: module 'random' has no attribute 'x' (consider renaming '/code/random.py' since it has the "
         "same name as the standard library module named 'random')", "code/random.py", "the module `random`"),
        ("ModuleNotFoundError: No module named 'email.mime'; 'email' is not a package", "code/email.py", "`email`"),
        ("AttributeError: module 'starfit' has no attribute 'x'", "code/starfit.py", "the library `starfit`"),
    ],
)  # fmt: skip
def test_an_own_file_that_hides_a_library_is_to_be_renamed(error: str, file: str, kind: str) -> None:
    for requirements in ("starfit", "starfit==1.0\nnumpy==1.26.4"):
        found = verdict(error, "print(1)", [file], requirements)
        assert found.cause.startswith(f"Your own {file.removesuffix('/__init__.py')} hides ")
        assert kind in found.cause
        assert found.hint.startswith(f"Rename {file.removesuffix('/__init__.py')}, such as to code/my_")
        assert "==" not in found.hint
    assert "hides the" not in verdict(error, "print(1)", ["code/app.py"]).cause


def test_an_own_module_without_the_name_of_a_library_hides_nothing() -> None:
    found = verdict("AttributeError: module 'stars' has no attribute 'fit'", "stars.fit()", ["code/stars.py"])
    assert "code/app.py, line 1: AttributeError" in found.cause


@pytest.mark.parametrize(
    ("error", "code", "hint"),
    [
        ("AttributeError: module 'numpy' has no attribute 'float'.", "np.zeros(3, np.float)",
         "`float` instead of `np.float`"),
        ("AttributeError: module 'numpy' has no attribute 'trapz'", "numpy.trapz(y)",
         "`np.trapezoid` instead of `numpy.trapz`"),
        ("AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead.", "np.float_(1)",
         "`np.float64` instead of `np.float_`"),
        ("ImportError: cannot import name 'joblib' from 'sklearn.externals' (/opt/env/x.py)",
         "from sklearn.externals import joblib", "Write `import joblib`, and add the line `joblib`"),
        ("ModuleNotFoundError: No module named 'sklearn.externals'", "from sklearn.externals import joblib",
         "Write `import joblib`, and"),
        ("ImportError: cannot import name 'imread' from 'scipy.misc' (/opt/env/x.py)", "from scipy.misc import imread",
         "Write `from imageio.v3 import imread`, and add the line `imageio`"),
        ("ModuleNotFoundError: No module named 'sklearn.cross_validation'", "from sklearn.cross_validation import A",
         "Write `sklearn.model_selection` instead of `sklearn.cross_validation`."),
        ("AttributeError: 'DataFrame' object has no attribute 'append'", "d.append(e)",
         "`pd.concat([…])` instead of `d.append`"),
        ("AttributeError: 'dict' object has no attribute 'iteritems'", "d.iteritems()", "`.items()` instead"),
        ("AttributeError: module 'time' has no attribute 'clock'", "time.clock()", "`time.perf_counter` instead"),
        ("ImportError: cannot import name 'Mapping' from 'collections' (/usr/x.py)", "from collections import Mapping",
         "`collections.abc.Mapping` instead of `collections.Mapping`"),
    ],
)  # fmt: skip
def test_what_was_removed_is_told_with_what_is_there_instead(error: str, code: str, hint: str) -> None:
    found = verdict(error, code)
    assert "any more" in found.cause or "was removed" in found.cause
    assert hint in found.hint
    assert verdict(error, code, below="__getattr__") == found
    library = verdict(error, code, below="fit").hint
    assert "==" not in found.hint + library
    assert "newer version of that library" in library or "add the line" in library


@pytest.mark.parametrize(
    "error",
    [
        "AttributeError: module 'numpy' has no attribute 'nope'",
        "ImportError: cannot import name 'Nope' from 'sklearn.svm' (/opt/env/x.py)",
        "ModuleNotFoundError: No module named 'sklearn.nope'",
    ],
)
def test_no_version_is_invented(error: str) -> None:
    assert "`pip show " in verdict(error, "x()").hint
    assert "==" not in verdict(error, "x()").hint


NAMES = st.lists(
    st.sampled_from(["a", "A", "code", ".py", "/", ".", " ", "\n", "import ", "from "]) | st.text(), max_size=6
)


@given(files=st.lists(NAMES.map("".join), max_size=4), module=NAMES.map("".join), statement=NAMES.map("".join))
def test_no_names_break_the_search_for_own_modules(files: list[str], module: str, statement: str) -> None:
    own_modules.find(UploadListing(dict.fromkeys(files, 1)), module, statement)


def test_the_name_of_the_folder_code_is_no_package() -> None:
    error = "ModuleNotFoundError: No module named 'code.utils'; 'code' is not a package"
    hint = verdict(error, "from code.utils import f", ["code/app.py", "code/utils.py"]).hint
    assert hint == "Your upload has code/utils.py, and the program starts in /code: write `from utils import f`."
