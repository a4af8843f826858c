"""The SSH gateway: what sshd starts, as the researcher, for whatever the researcher asks (sshd_config(5), command=).

This module owns the way in: from SSH_ORIGINAL_COMMAND to a transfer, an answer or a refusal. It starts with every
transfer, so nothing is imported that is not needed; it has no shell, no rights of its own and no secrets. It is started
with -X utf8, because sshd takes over the client's locale and names of files are bytes in no locale.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # that of typing, which takes a while to import
if TYPE_CHECKING:
    from labd.common.errors import LabdError


def main() -> int:
    """Do what SSH_ORIGINAL_COMMAND asks for; the exit code."""
    try:
        return _answer(os.environ.get("SSH_ORIGINAL_COMMAND", ""), os.environ.get("HOME", "/"))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except Exception as error:
        from labd.common.errors import LabdError

        return _refuse(error if isinstance(error, LabdError) else _defect(error))


def _answer(asked: str, home: str) -> int:
    from labd.gateway.commands import Question, Secluded, understand

    request = understand(asked, home)
    if isinstance(request, Question):
        from labd.gateway import questions

        return questions.answer(request.verb, request.arguments, home)
    from labd.gateway import transfer

    if isinstance(request, Secluded):
        request = transfer.read_secluded(request)
    return transfer.run(request, home, os.environ.get("SSH_CONNECTION", "").partition(" ")[0])


def _defect(error: Exception) -> LabdError:
    from labd.common.errors import Exit, LabdError

    what = f"{type(error).__name__}: {error}".strip(": ")
    defect = LabdError(
        f"labd met an error of its own ({what}).", "Tell the administrator, with the command that you gave."
    )
    defect.exit_code = Exit.INTERNAL
    return defect


def _refuse(error: LabdError) -> int:
    """Say why not, to who asked and to the daemon; the exit code."""
    from labd.common.errors import Exit
    from labd.gateway import notify

    print(f"labd: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"      {error.hint}", file=sys.stderr)
    sys.stderr.flush()
    if error.exit_code == Exit.NO_PERMISSION:
        notify.tell_refusal(f"{os.environ.get('SSH_ORIGINAL_COMMAND', '')[:100]}: {error.message}")
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
