"""The packages as docs/architecture.md has them: which package imports which, and where a library is at home."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from labd.diagnosis import languages

TOP = Path(__file__).resolve().parent.parent
PACKAGE = TOP / "daemon" / "labd"

# A package imports from those above it in this list, and from itself.
PACKAGES = [
    *("common", "model", "scheduling", "storage", "privsep"),
    *("diagnosis.evidence", "diagnosis.builds", "diagnosis", "client", "engines"),
    *("gateway.records", "gateway", "environments", "projects.requirements", "projects", "accounts", "intake"),
    *("daemon.outbox", "daemon.pipeline", "daemon.requests", "daemon"),
    *("admin.setup", "admin.doctor", "cli.local", "cli"),
]
MODULES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
FILES = [PACKAGE / module for module in MODULES] + [
    path for path in sorted((TOP / "tests").rglob("*.py")) if "uploads" not in path.parts
]
METAPHORS = {"books", "desk", "door", "ground", "hands", "lane", "lanes", "reception", "rooms"} | {
    *("survey", "told", "undoing", "walls", "wish", "wished", "wishes", "workshop"),
}
LONGEST_MODULE, LONGEST_FUNCTION, LARGEST_PACKAGE = 300, 50, 2500  # lines

ONLY_THERE = {
    "docker": {"engines/docker"},
    "watchdog": {"intake/file_events.py"},
    "sh": {"common/commands.py"},
    "sqlite3": {"storage"},
    "structlog": {"common/log.py"},
    "tomli": {"common/schema.py", "projects/metadata.py"},
    "tomlkit": {"common/toml_files.py"},
    "yaml": {"projects/metadata.py"},
    "subprocess": {"common/commands.py", "privsep", "cli/local/temporary_lab.py"},
}


def package_of(module: Path) -> str:
    """The package of the list that `module` is in; "" for the start of everything."""
    names = module.parent.parts
    while names and ".".join(names) not in PACKAGES:
        names = names[:-1]
    return ".".join(names)


def imports(module: Path) -> set[str]:
    """Names of all modules that `module` imports when it runs; what is only for type checkers does not count."""
    tree = ast.parse((PACKAGE / module).read_text())
    found: set[str] = set()
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            skipped.update(child for part in node.body for child in ast.walk(part))
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            path = PACKAGE.parent / (node.module or "").replace(".", "/")
            if path.is_dir():
                found.update(f"{node.module}.{alias.name}" for alias in node.names)
            else:
                found.add(node.module or "")
    return found


def own(module: str) -> Path | None:
    """The file of an imported `module` of labd's, relative to the package; None for others'."""
    if not module.startswith("labd.") or module == "labd.__version__":
        return None
    return Path(*module.split(".")[1:]).with_suffix(".py")


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_imports_point_one_way(module: Path) -> None:
    package = package_of(module)
    if not package:
        return
    for other in filter(None, map(own, imports(module))):
        assert (PACKAGE / other).exists(), f"{module} imports {other}, which is not there"
        below = package_of(other)
        assert PACKAGES.index(below) <= PACKAGES.index(package), f"{module} imports {other}, from above {package}"
        private = other.stem.startswith("_") and not other.stem.startswith("__")
        assert not private or below == package, f"{module} imports {other}, which is {below}'s own"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_library_is_imported_only_where_it_belongs(module: Path) -> None:
    for name in imports(module):
        places = ONLY_THERE.get(name.partition(".")[0])
        assert places is None or any(str(module).startswith(place) for place in places), f"{module} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_what_is_private_is_used_in_its_own_module_only(module: Path) -> None:
    tree, modules = ast.parse((PACKAGE / module).read_text()), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labd"):
            private = [name.name for name in node.names if name.name[0] == "_" and name.name != "__version__"]
            assert not private, f"{module} imports {private} from {node.module}"
            file = PACKAGE.parent / (node.module or "").replace(".", "/")
            modules.update(name.asname or name.name for name in node.names if file.is_dir())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert node.attr[0] != "_" or node.attr.startswith("__"), f"{module} uses {node.value.id}.{node.attr}"


LANGUAGES = {file.parent.name for file in (TOP / "templates").glob("*/template.toml")}
KNOW_NO_LANGUAGE = ("daemon", "engines", "environments", "intake", "scheduling", "storage")


def names_and_texts(module: Path) -> Iterator[str]:
    """All names and texts in the code of `module`, without docstrings and comments."""
    tree = ast.parse((PACKAGE / module).read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.value
        elif isinstance(node, ast.ImportFrom):
            yield f"{node.module} {' '.join(alias.name for alias in node.names)}"
        for name in ("id", "attr", "name", "arg"):
            if isinstance(found := getattr(node, name, None), str):
                yield found


@pytest.mark.parametrize("module", [one for one in MODULES if one.parts[0] in KNOW_NO_LANGUAGE], ids=str)
def test_no_language_is_known_on_the_way_of_a_job(module: Path) -> None:
    assert {"python", "r"} < LANGUAGES
    for text in names_and_texts(module):
        words = re.split(r"[^a-z0-9]+", text.lower().replace("uv_python_", ""))  # UV_PYTHON_… is a tool's
        # R's name is a common letter: it counts where nothing else is said.
        found = {text} | {word for word in words if len(word) > 1}
        assert not found & LANGUAGES, f"{module} knows a language: {text}"


def test_each_language_of_a_template_has_a_module_for_its_errors() -> None:
    assert set(languages.NAMES) == LANGUAGES


def test_every_module_and_package_says_what_it_is_for() -> None:
    for path in PACKAGE.rglob("*.py"):
        assert path.name == "__main__.py" or ast.get_docstring(ast.parse(path.read_text())), path


def test_an_init_holds_a_docstring_and_nothing_else() -> None:
    for path in PACKAGE.rglob("__init__.py"):
        if path.parent != PACKAGE:
            assert [type(node) for node in ast.parse(path.read_text()).body] == [ast.Expr], path


def test_every_package_is_in_the_list_and_in_the_architecture() -> None:
    there = {".".join(path.parent.relative_to(PACKAGE).parts) for path in PACKAGE.rglob("__init__.py")} - {""}
    assert {name for name in there if name not in PACKAGES} == {"admin", "engines.docker"}
    text = (TOP / "docs" / "architecture.md").read_text().partition("## The packages")[2].partition("\n## ")[0]
    assert sorted(re.findall(r"^\| `([a-z/]+)/` \|", text, re.MULTILINE)) == sorted(
        name.replace(".", "/") for name in there
    )


def test_a_function_fits_a_screen() -> None:
    for module in MODULES:
        for node in ast.walk(ast.parse((PACKAGE / module).read_text())):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, f"{module}: {node.name}"


def test_no_module_and_no_package_grows_too_large() -> None:
    lines = {module: len((PACKAGE / module).read_text().splitlines()) for module in MODULES}
    assert [module for module, number in lines.items() if number > LONGEST_MODULE] == []
    for package in PACKAGES:
        assert sum(lines[module] for module in MODULES if package_of(module) == package) <= LARGEST_PACKAGE, package


def defined(path: Path) -> Iterator[tuple[str, str]]:
    """Kind and name of all that the file at `path` defines: class, function, and constants of the module."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield "class", node.name
        elif isinstance(node, ast.FunctionDef):
            yield "function", node.name
    for node in tree.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (("constant", target.id) for target in targets if isinstance(target, ast.Name))


def test_no_two_classes_have_the_same_name() -> None:
    names = Counter(name for module in MODULES for kind, name in defined(PACKAGE / module) if kind == "class")
    assert [name for name, number in names.items() if number > 1] == []


def test_a_time_limit_says_whose_it_is_and_in_what_unit() -> None:
    names = {name for file in FILES for kind, name in defined(file) if kind == "constant"}
    assert names & {f"{private}{word}" for private in ("", "_") for word in ("TIMEOUT", "PATIENCE")} == set()


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(TOP)))
def test_names_are_those_of_the_field(file: Path) -> None:
    names = [file.stem, *(name for kind, name in defined(file) if kind in ("class", "function"))]
    for name in names:
        # A test's name is a sentence, in which these may be what they are.
        if not name.startswith("test_") or name == file.stem:
            words = {word.lower() for word in re.findall(r"[a-z]+|[A-Z][a-z]*", name)}
            assert not words & METAPHORS, f"{name} in {file.name}"
