"""Collecting what an explanation can stand on: the listing of the upload, and those own files that a log speaks of.

This module owns which files are read, and their limits. They are read of the snapshot, which nobody but labd can write,
and only under names that are in the upload's listing. What they mean is judged elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from labd.common.errors import ProjectError
from labd.common.log import get
from labd.common.schema import SchemaError, read_table
from labd.diagnosis.evidence.project import JOB_FILE, REQUIREMENTS, Evidence, UploadListing
from labd.model.languages import Language
from labd.projects import files as project_files

_MOST_FILES = 20
_LARGEST = 64 * 1024  # bytes of a file; what is larger was not written by hand
_LONGEST_LISTING = 4 << 20
_NAMED = re.compile(r"/code/([^\s\"'<>|:,;()]{1,200}\.\w{1,5})")


def listing_file(snapshot: Path) -> Path:
    """Where the listing of the whole upload is of which `snapshot` was taken."""
    return snapshot.with_name("upload.json")


def gather(snapshot: Path | None, log: str, language: Language) -> Evidence:
    """What is known of the project in `snapshot` whose program printed `log`; less where something cannot be read."""
    distributions = language.template.distributions
    if snapshot is None:
        return Evidence(distributions)
    upload = listed(snapshot)
    wanted = [
        JOB_FILE,
        REQUIREMENTS,
        f"code/{language.template.program}",
        *(f"code/{name}" for name in _NAMED.findall(log)),
    ]
    names = [name for name in dict.fromkeys(wanted) if name in upload.files][:_MOST_FILES]
    return Evidence(distributions, upload, dict(_texts(snapshot, names)))


def listed(snapshot: Path) -> UploadListing:
    """The listing of the upload of which `snapshot` was taken; an empty one where there is none that can be read."""
    path = listing_file(snapshot)
    try:
        with open(path, encoding="utf-8") as file:
            return read_table(UploadListing, json.loads(file.read(_LONGEST_LISTING)), "upload")
    except FileNotFoundError:
        return UploadListing()  # a job of before there were listings
    except (OSError, ValueError, SchemaError, RecursionError) as error:
        get().warning("the listing of an upload cannot be read", file=str(path), reason=str(error))
        return UploadListing()


def _texts(snapshot: Path, names: list[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        content: Mapping[str, bytes] = {}
        try:
            content = project_files.read(snapshot, [name], "")
        except ProjectError:
            continue
        for path, data in content.items():
            if len(data) <= _LARGEST:
                yield path, data.decode("utf-8", "replace")
