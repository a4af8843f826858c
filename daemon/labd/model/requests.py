"""What can be asked: the one list of requests, from which command line, ssh, help and the daemon's socket are made.

For each there is how it is called, here and elsewhere, what it takes, what help says of it, and who may ask. Who
answers is in `daemon/requests`, how an answer looks in `client/questions`: for both, the class or the name here is what
they go by.
"""

from __future__ import annotations

from labd.common.errors import NotFoundError, RequestError
from labd.model.request_arguments import (
    AnyJob,
    Argument,
    Choice,
    Flag,
    JobArgument,
    Limit,
    Named,
    Project,
    Projects,
    Text,
)

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Request:
    """Something that can be asked, with the arguments that it was asked with as attributes."""

    name = ""
    """The word for it: at the socket, and where it is typed."""
    summary = ""
    """What `labd --help` says of it; "" where it is no command of `labd` of its own."""
    example = ""
    details = ""
    """What `labd NAME --help` says besides."""
    over_ssh = ""
    """What `ssh lab help` says of it; "" where nobody asks it over ssh."""
    has_json = False
    """Whether the answer can also be had as JSON."""
    needs_terminal = False
    """Whether it is asked with `ssh -t`."""
    other_words = ""
    """What it is called elsewhere: whoever types one of these words over ssh is told the name here."""
    is_for_administrator = False
    refused_to_administrator = ("", "")
    """Sentence and hint for the administrator, where only researchers may ask; "" where everybody may."""

    # What arrives at the socket can have any names, `self` among them.
    def __init__(self, /, **values: object) -> None:
        """Raises RequestError for an argument that is missing or wrong, and none for one that there is not."""
        for argument in self.arguments():
            if (given := values.get(argument.name)) is None and not argument.is_needed:
                continue
            try:
                vars(self)[argument.name] = argument.read(given)
            except ValueError as wanted:
                raise RequestError(f"`{argument.name}` of the request `{self.name}` has to be {wanted}.") from None

    @classmethod
    def arguments(cls) -> list[Argument]:
        """What it takes, in the order in which it is typed."""
        return [argument for argument in vars(cls).values() if isinstance(argument, Argument)]

    @classmethod
    def takes_name(cls) -> bool:
        """Whether a job or a project can be named."""
        return any(isinstance(argument, Named) for argument in cls.arguments())

    @classmethod
    def needs_name(cls) -> bool:
        """Whether a job or a project has to be named."""
        return cls.takes_name() and any(argument.is_needed for argument in cls.arguments())

    @classmethod
    def usage(cls) -> list[str]:
        """What can follow the name over ssh, as it stands in a usage line."""
        return [argument.usage for argument in cls.arguments()] + ["[--json]"] * cls.has_json


class Status(Request):
    name, example, has_json = "status", "labd status galaxies", True
    summary = "What runs, what waits, and what ended lately"
    details = (
        "With JOB: all about one job, and if it failed, why and what to do. A project's\n"
        "name also tells of an upload of it that has not started."
    )
    over_ssh = "what runs; with JOB: all about it, why it failed, what to do"
    other_words = "state show stats st"
    job = AnyJob()


class Queue(Request):
    name, example, has_json = "queue", "labd queue", True
    summary = "What runs and waits on the machine, in the order of the queue"
    details = "Of other people's jobs you see what they take, and not what they are."
    over_ssh = "who waits and who runs"
    other_words = "squeue qstat qstatus showq wait"


class Jobs(Request):
    name, example, has_json = "jobs", "labd jobs --json | jq .cause", True
    summary = "All jobs, the latest last"
    details = "On a terminal a table; piped, one line each with tabs between."
    over_ssh = "all jobs there were"
    other_words = "list history job sacct bjobs qhist"
    limit = Limit(50, help="how many (default: 50)")


class Logs(Request):
    name, example = "logs", "labd logs -f galaxies"
    summary = "What a program printed"
    over_ssh = "what the program printed; -f goes on until it ends"
    other_words = "log output print follow"
    follow = Flag("-f", "--follow", help="go on until the job ends")
    job = JobArgument()


class Submit(Request):
    name, example = "submit", "labd submit galaxies"
    summary = "Say that an upload is complete, and start it at once"
    over_ssh = "everything has arrived: start"
    other_words = "start run go send upload launch execute"
    refused_to_administrator = ("Only a researcher can submit an upload of theirs.", "Create SUBMIT in their inbox.")
    project = Project()


class Cancel(Request):
    name, example = "cancel", "labd cancel 42"
    summary = "Stop a job, and deliver what it has"
    over_ssh = "stop it; what it wrote so far comes back"
    other_words = "stop abort kill pkill killall scancel qdel bkill delete"
    job = JobArgument()


class Rerun(Request):
    name, example = "rerun", "labd rerun galaxies"
    summary = "Run the same upload once more"
    over_ssh = "once more; with --exact in the very environment of JOB"
    other_words = "restart retry again repeat resubmit"
    exact = Flag("--exact", help="in the very environment of that job")
    job = JobArgument()


class Overview(Request):
    """All that a status screen shows."""

    name = "overview"


class Note(Request):
    """What the gateway has to tell: of a transfer that begins or has ended, or of a command that it refused."""

    name = "note"
    refused_to_administrator = ("Only the gateway of a researcher has something to note.", "")
    event = Choice("began", "transfer", "refused")
    text = Text("")
    address = Text("")
    projects = Projects(())


class ImagesRequest(Request):
    """The environment images that there are."""

    name = "images"


class Settings(Request):
    """What of the configuration matters to a project."""

    name = "settings"


class Users(Request):
    """The researchers, and what is known of each."""

    name, is_for_administrator = "users", True


class Reload(Request):
    """Have the accounts read again."""

    name, is_for_administrator = "reload", True


REQUESTS: dict[str, type[Request]] = {
    request.name: request
    for request in (
        *(Status, Queue, Jobs, Logs, Submit, Cancel, Rerun),
        *(Overview, Note, ImagesRequest, Settings, Users, Reload),
    )
}
"""All of them by name, in the order of the help."""


def read(asked: Mapping[str, Any]) -> Request:
    """The request that `asked`, a line at the socket, is.

    Raises RequestError for one that is missing or wrong, NotFoundError for one that there is not.
    """
    name = asked.get("verb")
    if not isinstance(name, str):
        raise RequestError("A request needs a `verb`, and this one has none.")
    if name not in REQUESTS:
        from labd.common.excerpts import shorten  # here: only what is wrong needs it

        raise NotFoundError(f"labd has no request `{shorten(name, 40)}`.")
    return REQUESTS[name](**{key: value for key, value in asked.items() if key != "verb"})
