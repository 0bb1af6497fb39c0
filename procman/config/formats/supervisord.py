"""supervisord.conf: its sections, `%(…)s` and quoting, as supervisord 4 reads them."""

from __future__ import annotations

import configparser
import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.config.formats.draft import Draft, Imported, Rule, follow, nothing, seconds, to
from procman.config.formats.nodes import Node
from procman.config.source import Source
from procman.core.fields import APP
from procman.core.values import Bad, duration_text

Siblings = Callable[[str], list[Source]]  # the files that a glob beside the file means

_OF_PROCESS = ("command", "directory", "environment")  # what makes the processes of a program differ
MOST = 64  # processes of one program that become apps of their own
_HEADER = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([^\s:=;#\[][^:=]*?)\s*[:=]")
_NAME = re.compile(r"%\((\w+)\)")
# Where `%(ENV_NAME)s` stood: of the private use area, so that no text has them and a lexer keeps them whole.
_OPEN, _CLOSE = "\ue000", "\ue001"
_VARIABLE = re.compile(f"{_OPEN}(\\w+){_CLOSE}")
_LOGS = "procman keeps what an app prints by itself: `procman logs`"
_OWN = "it is about supervisord itself; procman's own settings are few: `[manager]`"
_SECTIONS = {
    "unix_http_server": "procman's socket needs no settings",
    "inet_http_server": "procman listens on no port",
    "supervisorctl": _OWN,
    "supervisord": _OWN,
    "eventlistener": "procman has no event listeners; `procman events -f --json` prints what happens",
    "fcgi-program": "procman opens no socket for an app",
    "rpcinterface": "procman has no plug-ins",
}


def parse_supervisord(source: Source, siblings: Siblings) -> Imported:
    """Return the programs of a supervisord.conf and of the files that it includes.

    Raises:
        InvalidConfig: a line is nothing that supervisord would read.
    """
    imported = Imported()
    sections = list(_sections(source))
    for name, section in list(sections):
        if name == "include":
            sections += _included(section, siblings, imported)
    common = next((section for name, section in sections if name == "supervisord"), None)
    for name, section in sections:
        kind, _, program = name.partition(":")
        if kind == "program":
            _program(program.strip(), section, common, imported)
        elif name not in ("include", "supervisord") and kind != "group":
            imported.lose(section, _SECTIONS.get(kind, "procman has nothing like this section"))
    if common is not None:
        for key, node in common.table.items():
            if key != "environment":
                imported.lose(node, _OWN)
    for name, section in sections:
        if name.startswith("group:"):
            _group(name.partition(":")[2], section, imported)
    return imported


def _sections(source: Source) -> Iterator[tuple[str, Node]]:
    """Yield each section with its name, its values not yet expanded."""
    # As supervisord has it: the last of two wins, and `;` or `#` behind a space begins a comment.
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=(";", "#"))
    try:
        parser.read_string(source.text, source.shown)
    except configparser.Error as error:
        raise InvalidConfig(_diagnostics(source, error)) from error
    lines = _lines(source.text)
    for name in parser.sections():
        values = {
            key: Node(value, lines.get((name, key), 0), f"{name}.{key}", source.shown)
            for key, value in parser.items(name)
        }
        yield name, Node(values, lines.get((name, ""), 0), f"[{name}]", source.shown)


def _diagnostics(source: Source, error: configparser.Error) -> Iterator[Diagnostic]:
    """Yield what is wrong; the parser knows the line of each."""
    lines = Lines(source.text)
    hint = "a file of supervisord has `[program:NAME]` sections with `key = value` lines"
    numbers = [number for number, _ in getattr(error, "errors", ())] or [getattr(error, "lineno", 1)]
    message = "expected `key = value`"
    if isinstance(error, configparser.MissingSectionHeaderError):
        message = "expected a section such as `[program:web]`"
    for number in numbers:
        start = lines.offset(number, 1)
        yield lines.at(source.shown, start, start + len(lines.line(number)), message, hint)


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Return the line of each section and key, of which the last counts."""
    found: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        if header := _HEADER.match(line):
            section = header[1]
            found[section, ""] = number
        elif option := _OPTION.match(line):
            found[section, option[1].strip().lower()] = number
    return found


def _included(section: Node, siblings: Siblings, imported: Imported) -> Iterator[tuple[str, Node]]:
    files = section.child("files")
    for pattern in files.text.split() if files is not None else []:
        found = siblings(pattern.replace("%(here)s", "."))
        if not found and files is not None:
            imported.lose(files, f"no file that can be read is at `{pattern}`")
        for source in found:
            for name, inner in _sections(source):
                if name == "include":
                    imported.lose(inner, "supervisord too includes nothing from an included file")
                else:
                    yield name, inner


def _program(name: str, section: Node, common: Node | None, imported: Imported) -> None:
    count = section.child("numprocs")
    numbers = int(count.text) if count is not None and count.text.isdecimal() else 1
    if count is not None and not 1 <= numbers <= MOST:
        imported.lose(count, f"expected 1 to {MOST}")
        numbers = 1
    alike = "instances" in APP and not any(
        "process_num" in section.table[key].text for key in _OF_PROCESS if key in section.table
    )
    instances, numbers = (numbers, 1) if alike else (1, numbers)
    first = section.child("numprocs_start")
    start = int(first.text) if first is not None and first.text.isdecimal() else 0
    for number in range(start, start + numbers):
        draft = imported.draft(name if numbers == 1 else f"{name}-{number}", section)
        told = len(draft.losses)
        meant = _Expansion(name, number, numbers, os.curdir)
        inherited = common.child("environment") if common is not None else None
        if inherited is not None and (expanded := meant.node(draft, inherited)):
            _environment(draft, expanded)
        values = {key: meant.node(draft, node) for key, node in section.table.items()}
        known = {key: node for key, node in values.items() if node is not None}
        follow(
            _RULES,
            draft,
            Node(known, section.line, section.path, section.file),
            "supervisord has no such key",
        )
        if instances > 1 and count is not None:
            draft.put("instances", instances, count)
        if "command" in draft.values:
            if "restart" not in draft.values:
                draft.put("restart", "on-failure", section)  # supervisord's default
            imported.apps.append(draft)
        else:
            imported.lose(section, "not carried over: it has no command that procman could run")
        if number > start:  # the same of each process needs no saying
            del draft.losses[told:]


class _Expansion:
    """What `%(…)s` stands for in one process of a program."""

    def __init__(self, program: str, number: int, numbers: int, here: str) -> None:
        self._names = {
            "program_name": program,
            "group_name": program,
            "process_num": number,
            "numprocs": numbers,
            "here": here,
            "host_node_name": f"{_OPEN}HOSTNAME{_CLOSE}",
        }

    def node(self, draft: Draft, node: Node) -> Node | None:
        """Return a value expanded, or None: it cannot be, and is a loss."""
        names: dict[str, Any] = dict(self._names)
        for name in _NAME.findall(node.text):
            if name.startswith("ENV_"):
                names[name] = f"{_OPEN}{name[4:]}{_CLOSE}"
        if "%" not in node.text:
            return node
        try:
            return Node(node.text % names, node.line, node.path, node.file)
        except (KeyError, ValueError, TypeError) as error:
            what = f"`%({error.args[0]})s`" if isinstance(error, KeyError) else "a `%` in it"
            draft.lose(node, f"{what} stands for nothing; supervisord too would refuse it")
        return None


def _command(draft: Draft, node: Node) -> None:
    try:
        words = shlex.split(node.text)
    except ValueError:
        draft.lose(node, "a quote in it has no end")
        return
    if not words:
        draft.lose(node, "it is empty")
    elif any(_OPEN in word for word in words):  # only a shell fills variables into a command
        if draft.put("command", " ".join(map(_for_shell, words)), node):
            draft.values["shell"] = True
    else:
        draft.put_words(words, node)


def _for_shell(word: str) -> str:
    """Return a word as a shell reads it, with `${NAME}` for the variables in it."""
    parts = _VARIABLE.split(word)
    if len(parts) == 3 and not parts[0] and not parts[2]:
        return f"${{{parts[1]}}}"  # unquoted: supervisord too splits what a variable holds
    return "".join(
        f'"${{{part}}}"' if at % 2 else shlex.quote(part) if part else "" for at, part in enumerate(parts)
    )


def _environment(draft: Draft, node: Node) -> None:
    """Set the variables of `KEY=value,KEY2="with, comma"`."""
    lexer = shlex.shlex(node.text)
    lexer.wordchars += f"/.+-():{_OPEN}{_CLOSE}"  # as supervisord has it
    try:
        tokens = list(lexer)
    except ValueError:
        draft.lose(node, "a quote in it has no end")
        return
    for at in range(0, len(tokens), 4):
        key, sign, value = (*tokens[at : at + 3], "", "")[:3]
        if sign != "=" or not value:
            draft.lose(node, f"expected `KEY=value` pairs from `{key}` on; supervisord too would refuse it")
            return
        text = value.strip("'\"").replace("${", "$${")
        draft.put_variable(key, _VARIABLE.sub(r"${\1}", text), node)


def _directory(draft: Draft, node: Node) -> None:
    if _OPEN in node.text:
        draft.lose(node, "`cwd` has no variables: write the folder down")
    else:
        draft.put("cwd", node.text, node)


def _restart(value: str) -> str:
    known = {"true": "always", "unexpected": "on-failure", "false": "never"}
    meant = {"1": "true", "yes": "true", "on": "true", "0": "false", "no": "false", "off": "false"}
    word = value.strip().lower()
    if (found := known.get(meant.get(word, word))) is None:
        raise Bad(f"expected `true`, `false` or `unexpected`, got `{word}`")
    return found


def _boolean(value: str) -> bool:
    return _restart(value) == "always"


def _starts(draft: Draft, node: Node) -> None:
    draft.put("give_up.starts", int(node.text) + 1 if node.text.isdecimal() else node.text, node)


def _healthy_after(draft: Draft, node: Node) -> None:
    if node.text != "0":
        to("backoff.reset_after", seconds)(draft, node)


def _exit_codes(draft: Draft, node: Node) -> None:
    if node.text.replace(" ", "") != "0":
        draft.lose(node, "an exit is expected with 0, and a failure with any other code")


def _process_name(draft: Draft, node: Node) -> None:
    if node.text not in (draft.name, draft.name.replace("-", "_")):
        draft.lose(node, f"the process goes by the name of its app: `{draft.name}`")


def _stop_timeout(value: str) -> str:
    return duration_text(float(value))


def _log_size(draft: Draft, node: Node) -> None:
    written = node.text.upper()
    if written in ("0", "0B", "0MB"):
        draft.lose(node, "procman's logs always have a limit")
    else:  # supervisord's KB, MB and GB are 1024 each
        draft.put(
            "logs.max_size", re.sub(r"([KMG])B$", r"\1iB", written) if written[-1:] == "B" else written, node
        )


def _umask(draft: Draft, node: Node) -> None:
    draft.put("umask", node.text.zfill(4), node)


_RULES: Mapping[str, Rule | str] = {
    "command": _command,
    "directory": _directory,
    "environment": _environment,
    "autostart": to("autostart", _boolean),
    "autorestart": to("restart", _restart),
    "startretries": _starts,
    "startsecs": _healthy_after,
    "exitcodes": _exit_codes,
    "stopsignal": to("stop_signal"),
    "stopwaitsecs": to("stop_timeout", _stop_timeout),
    "user": to("user"),
    "umask": _umask,
    "process_name": _process_name,
    "numprocs": nothing(*map(str, range(1, MOST + 1))),
    "numprocs_start": nothing(*map(str, range(10_000))),
    "stdout_logfile_maxbytes": _log_size,
    "stdout_logfile_backups": to("logs.keep", int),
    "redirect_stderr": nothing("true", "false"),  # both are kept and told apart
    "stopasgroup": nothing("true"),
    "killasgroup": nothing("true"),
    "priority": "procman has no order by number; `depends_on` names what an app waits for",
    "serverurl": "procman has no such server",
    **dict.fromkeys(
        ("stdout_logfile", "stderr_logfile", "stderr_logfile_maxbytes", "stderr_logfile_backups",
         "stdout_syslog", "stderr_syslog", "stdout_capture_maxbytes", "stderr_capture_maxbytes",
         "stdout_events_enabled", "stderr_events_enabled"),
        _LOGS,
    ),
}  # fmt: skip


def _group(name: str, section: Node, imported: Imported) -> None:
    programs = section.child("programs")
    wanted = [each.strip() for each in programs.text.split(",")] if programs is not None else []
    for program in wanted:
        members = [app for app in imported.apps if app.node.path == f"[program:{program}]"]
        for app in members:
            tags = [*app.values.get("tags", []), re.sub(r"[^A-Za-z0-9._-]+", "-", name)]
            app.put("tags", tags, programs or section)
        if not members:
            imported.lose(programs or section, f"no program is called `{program}`")
    for key, node in section.table.items():
        if key != "programs":
            imported.lose(node, "procman has no order by number; `depends_on` names what an app waits for")
