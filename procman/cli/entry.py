"""Where `procman` begins.

`status` and `status --json` are answered from here, with the socket and nothing else: click alone takes
15 ms, more than the interpreter's own start. `cli.plain` does without it too. Whatever else was typed goes to
`cli.main`.
"""

from __future__ import annotations

import os
import sys

from procman.cli import exits

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FILE = ("-f", "--file")
_STATUS = ("status", "ps", "ls")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if os.getpid() == 1:
        _end_by_signals()
    try:
        code = _run(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # Nobody reads any more. The interpreter would try to flush at its end, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.BROKEN_PIPE


def _end_by_signals() -> None:
    """Let SIGTERM end this process, also as the first one of a container: the kernel would drop it there."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(exits.DONE))


def _run(words: list[str]) -> int:
    file = None
    rest = words
    if len(words) > 2 and words[0] in _FILE:
        file, rest = words[1], words[2:]
    if rest and rest[0] in _STATUS and rest[1:] in ([], ["--json"]):
        return _status(file, as_json=len(rest) == 2)
    if "_PROCMAN_COMPLETE" in os.environ:
        from procman.cli.completing import complete
        from procman.cli.main import procman

        return complete(procman, os.environ["_PROCMAN_COMPLETE"])
    from procman.cli.plain import deed_of
    from procman.cli.talk import steady_stdout

    steady_stdout()
    deed = deed_of(rest)
    if deed is not None:
        from procman.cli.failure import Failure

        try:
            return deed(file)
        except Failure as failure:
            return failure.tell()
    from procman.cli.main import run

    return run(words)


def _status(file: str | None, *, as_json: bool) -> int:
    from procman.cli.failure import Failure, NoManager
    from procman.cli.project import find_project
    from procman.control.ask import Lost, NotRunning, Refused, ask_status

    try:
        project = find_project(file)
        if as_json:
            line = project.its_own(ask_status(project.home))
        else:
            line = project.ask_status(meanwhile=_load_table)
    except Failure as failure:
        return failure.tell()
    except NotRunning:  # a prompt asks each second: which apps live on would take it 0.1 s to find out
        return NoManager(project.file).tell()
    except (Lost, Refused) as error:
        return project.failure(error).tell()
    if as_json:
        sys.stdout.buffer.write(line)
        return exits.DONE
    from json import loads

    from procman.cli.shown import show

    show(loads(line))
    return exits.DONE


def _load_table() -> None:
    """Import what shows the table."""
    import json  # noqa: F401

    from procman.cli import shown  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
