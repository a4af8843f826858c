"""Runs code/app.ipynb from top to bottom, and leaves it, executed, and an HTML page of it in /output.

What the cells print is printed. The last line names the cell that stopped, and the exit code is 1 then. Two lines
"Cause: " and "What to do: " are for the researcher.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbconvert import HTMLExporter
from traitlets.config import Config

_OUTPUT = Path("/output")


class Client(NotebookClient):
    """Tells what the cells print while they run, and counts the cells that have code."""

    at = 0

    def output(self, outs: Any, msg: Any, display_id: Any, cell_index: Any) -> Any:
        said = msg["content"]
        if msg["msg_type"] == "stream":
            print(said["text"], end="", flush=True)
        elif msg["msg_type"] == "error":
            print("\n".join(said["traceback"]), flush=True)
        return super().output(outs, msg, display_id, cell_index)

    async def async_execute_cell(self, cell: Any, cell_index: Any, *args: Any, **more: Any) -> Any:
        self.at += cell.cell_type == "code" and bool(cell.source.strip())
        return await super().async_execute_cell(cell, cell_index, *args, **more)


def refuse(cause: str, hint: str) -> NoReturn:
    """Say why there is nothing to run."""
    print(f"Cause: {cause}\nWhat to do: {hint}", flush=True)
    sys.exit(1)


def read() -> Any:
    """The project's notebook, without what an earlier run left in it."""
    try:
        notebook = nbformat.read("/code/app.ipynb", as_version=4)
    except Exception as error:
        print(error)
        refuse(
            "code/app.ipynb is not a notebook that can be read.",
            "Open it in Jupyter, save it there and upload it again.",
        )
    about = notebook.metadata.get("kernelspec", {})
    language = about.get("language") or notebook.metadata.get("language_info", {}).get("name") or "python"
    if language.lower() not in ("python", "python3", "ipython"):
        refuse(
            f"code/app.ipynb is a notebook in {language}, and notebooks run in Python here.",
            "Save the cells as a program in that language, such as code/app.R, and upload that.",
        )
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return notebook


def execute(notebook: Any) -> str:
    """Run all cells; what stopped the last one, "" for nothing."""
    config = Config()
    config.KernelManager.transport = "ipc"
    client = Client(
        notebook, timeout=None, kernel_name="labd", resources={"metadata": {"path": "/code"}}, config=config
    )
    try:
        client.execute()
    except CellExecutionError as error:
        said = " ".join(error.evalue.split())
        return f"Cell {client.at} stopped: {error.ename}{f': {said}' if said else ''}"
    except DeadKernelError:
        return f"Cell {client.at} stopped: its process ended"
    return ""


def save(notebook: Any) -> None:
    """Leave the notebook in /output in both forms."""
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, str(_OUTPUT / "app.ipynb"))
    try:
        page, _ = HTMLExporter().from_notebook_node(notebook)
        (_OUTPUT / "app.html").write_text(page, encoding="utf-8")
    except Exception as error:
        print(f"app.html could not be made: {error}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    opened = read()
    stopped = execute(opened)
    save(opened)
    if stopped:
        print(stopped, flush=True)
        sys.exit(1)
