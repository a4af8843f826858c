"""The `labd` command: runs it, and turns every error into a sentence, a hint and an exit code."""

from __future__ import annotations

import os
import sys

from labd.cli.parser import run
from labd.common.errors import Exit, LabdError


def main() -> int:
    """Run the command line; the exit code."""
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
        return code
    except LabdError as error:
        return _tell(error.message, error.hint, error.exit_code)
    except KeyboardInterrupt:
        return Exit.CANCELLED
    except BrokenPipeError:
        # Who read has seen enough. Python would complain once more when it flushes at its exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except Exception as error:
        if _is_for_maintainers():
            import traceback

            traceback.print_exc()
        what = f"{type(error).__name__}: {error}".strip(": ")
        hint = "Run it again with LABD_DEBUG=1 in front, and give the administrator what it prints."
        return _tell(f"labd met an error of its own ({what}).", hint, Exit.INTERNAL)


def _tell(message: str, hint: str, code: Exit) -> int:
    from labd.client.rendering import wrapped

    for line in filter(None, (f"labd: {message}", f"      {hint}" if hint else "")):
        print(wrapped(line, sys.stderr, 6), file=sys.stderr)
    return code


def _is_for_maintainers() -> bool:
    """Whether standard error is the journal (systemd.exec(5), JOURNAL_STREAM), or somebody asked for details."""
    status = os.fstat(2)
    return bool(os.environ.get("LABD_DEBUG")) or os.environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


if __name__ == "__main__":
    sys.exit(main())
