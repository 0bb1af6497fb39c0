"""The apps as a Procfile."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence

from procman.config.exports.subject import Exported, Options, Subject

_CARRIED = ("command", "shell", "cwd", "env", "env_file", "port")


def export_procfile(apps: Sequence[Subject], options: Options) -> Exported:
    """Return a Procfile, in which a folder and variables become a part of the command."""
    exported = Exported(losses=apps[0].losses if apps else [])
    lines = []
    for subject in apps:
        app = subject.app
        if not re.fullmatch(r"[A-Za-z0-9_-]+", app.name):
            subject.lose("command", "foreman takes letters, digits, `_` and `-` for a name")
        text = app.command.words[0] if app.command.shell else shlex.join(app.command.words)
        if "\n" in text:
            text = text.replace("\\\n", " ").replace("\n", "; ")
        variables = subject.environment(secrets="it looks secret, and stands in the Procfile now")
        own = {name: value for name, value in variables.items() if "\n" not in value}
        for name in variables.keys() - own.keys():
            subject.lose(f"env.{name}", "a Procfile has one line for each process")
        if own:
            assignments = " ".join(f"{name}={shlex.quote(value)}" for name, value in own.items())
            # Before a text for a shell they would hold for its first command only.
            text = f"export {assignments}; {text}" if app.command.shell else f"{assignments} {text}"
        if subject.folder != ".":
            text = f"cd {shlex.quote(subject.folder)} && {text}"
        _env_files(subject)
        lines.append(f"{app.name}: {text}")
        subject.lose_others(_CARRIED, "a Procfile")
    exported.files["Procfile"] = "\n".join(lines) + "\n"
    return exported


def _env_files(subject: Subject) -> None:
    beside = os.path.join(subject.project.folder, ".env")
    for path in subject.app.env_file:
        if path != beside:
            subject.lose("env_file", "foreman reads the `.env` beside the Procfile, and no other")
