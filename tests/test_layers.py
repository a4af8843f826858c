"""The house: which room may import which. Imports go downward only, none within a layer (docs/architecture.md)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent
PACKAGE = TOP / "daemon" / "labd"

LAYERS = [
    ["errors", "log"],
    [
        "units",
        "layout",
        "installation",
        "finding",
        "mounts",
        "undoing",
        "ssh_words",
        "ssh_connection",
        "landlock",
        "pidfd",
        "tree_walk",
        "as_user",
        "live_view",
        "plain_text",
        "conda_names",
        "debian_names",
        "account_lookup",
        "retry",
    ],
    [
        "state_folder",
        "schema",
        "evidence",
        "connection",
        "survey",
        "session_files",
        "docker_facts",
        "session_record",
        "transfer_log",
        "read_only",
        "tree_compare",
        "disk_usage",
        "outbox_files",
        "manifest",
        "ssh_habits",
        "ssh_shell",
        "ssh_files",
    ],
    [
        "text_limits",
        "build_log",
        "build_output",
        "session_repairs",
        "ssh_hints",
        "rsync_options",
        "rsync_log",
        "scp_log",
        "sftp_log",
        "jobs",
    ],
    ["ssh_commands", "transfer_child"],
    [
        "config",
        "languages",
        "engine",
        "known_errors",
        "requirement_errors",
        "requirements",
        "project_metadata",
        "requirement_lines",
        "requirement_options",
    ],
    [
        "python_errors",
        "matlab_errors",
        "r_errors",
        "environments",
        "system_packages",
        "timeline",
        "build_settings",
        "choosing",
        "project_files",
        "job_file",
    ],
    ["notebook_errors", "wishes", "scheduling"],
    ["error_languages"],
    [
        "diagnosis",
        "build_diagnosis",
        "granting",
        "fair_share",
        "confinement",
        "container_state",
        "start_errors",
        "cgroups",
        "rendering",
        "client",
    ],
    ["transfers", "arrivals", "sending_advice", "gateway_notes", "screen", "request_arguments", "reader"],
    ["traffic", "database", "job_rows", "transfer_run"],
    ["records"],
    ["uploads", "pace", "endings", "status", "progress", "questions", "setup_writing", "setup_plan"],
    [
        "store",
        "commands",
        "front_desk",
        "readiness",
        "writers",
        "setup_manifest",
        "account_files",
    ],
    [
        "hands",
        "hands_worker",
        "replies",
        "job_lookup",
        "run_log",
        "import_scan",
        "licence",
        "gpus",
        "copies",
        "docker_client",
        "kernel_log",
        "image_builder",
        "systemd",
        "setup_files",
        "ssh_keys",
        "file_events",
        "lanes",
        "steps",
        "submissions",
    ],
    [
        "accounts",
        "base_images",
        "image_client",
        "image_finishing",
        "image_keeping",
        "container_mounts",
        "holders",
        "machine",
        "receipt",
        "writing_limits",
        "log_follower",
        "imports",
        "turns",
        "setup_ssh",
        "unix_accounts",
        "key_files",
        "welcome",
    ],
    [
        "docker_engine",
        "images",
        "inbox_account",
        "job_folder",
        "outbox",
        "snapshot",
        "reading",
        "setup_images",
        "setup_remove",
        "doctor_ground",
        "account_wish",
    ],
    ["run_plan", "supervision", "notices", "control", "views", "inbox"],
    ["lab"],
    ["exact", "advice"],
    ["building", "delivery", "pushing", "pages"],
    ["pipeline", "account_push"],
    ["reception", "housekeeping", "admission", "job_threads", "account_admin"],
    ["verbs", "account_removal", "key_admin", "account_list"],
    ["service"],
    ["daemon"],
    [
        "check",
        "config_check",
        "template_check",
        "temporary_lab",
        "doctor_accounts",
        "doctor_builds",
        "doctor_disk",
        "doctor_docker",
        "doctor_gateway",
        "doctor_gpus",
        "doctor_machine",
        "doctor_ssh",
    ],
    ["try_lab", "doctor_leftovers", "doctor_service"],
    ["setup", "doctor"],
    ["lab_commands", "admin_commands"],
    ["command_table"],
    ["cli", "gateway"],
    ["__main__"],
]
ORDER = {room: number for number, layer in enumerate(LAYERS) for room in layer}
ROOMS = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

ONLY_THERE = {
    "docker": {
        "docker_engine",
        "docker_client",
        "container_mounts",
        "image_client",
        "image_keeping",
        "docker_facts",
    },
    "watchdog": {"file_events"},
    "sh": {"commands"},
    "sqlite3": {"database", "job_rows"},
    "structlog": {"log"},
    "tomli": {"schema", "project_metadata"},
    "yaml": {"project_metadata"},
    "subprocess": {"commands", "hands", "as_user", "temporary_lab"},
}


def imports(room: str) -> set[str]:
    """Names of all modules that `room` imports when it runs; what is only for type checkers does not count."""
    tree = ast.parse((PACKAGE / f"{room}.py").read_text())
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
        elif isinstance(node, ast.ImportFrom) and node.module == "labd":
            found.update(f"labd.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_layers_below(room: str) -> None:
    assert room in ORDER, f"{room} has no place in the house yet: give it one"
    for module in imports(room):
        if module.startswith("labd.") and module != "labd.__version__":
            below = module.removeprefix("labd.")
            assert ORDER[below] < ORDER[room], f"{room} (layer {ORDER[room]}) imports {below} (layer {ORDER[below]})"


@pytest.mark.parametrize("room", ROOMS)
def test_a_library_is_imported_only_where_it_belongs(room: str) -> None:
    for module in imports(room):
        library = module.partition(".")[0]
        assert room in ONLY_THERE.get(library, {room}), f"{room} imports {library}"


def test_every_room_says_in_one_paragraph_what_it_owns() -> None:
    for room in ROOMS:
        if room != "__main__":
            text = ast.get_docstring(ast.parse((PACKAGE / f"{room}.py").read_text()))
            assert text, f"{room} has no docstring"


def test_the_architecture_lists_every_room_once_in_its_layer() -> None:
    text = (TOP / "docs" / "architecture.md").read_text().partition("## The rooms")[2].partition("\n## ")[0]
    bullets = re.findall(r"^- \*\*.+?:\*\*(.+?)(?=^- |^$)", text, re.MULTILINE | re.DOTALL)
    listed = [sorted(re.findall(r"`(\w+)`", bullet)) for bullet in bullets]
    assert listed == [sorted(layer) for layer in reversed(LAYERS)]


def test_every_room_is_there() -> None:
    assert sorted(ORDER) == sorted({*ROOMS, "__main__"})
