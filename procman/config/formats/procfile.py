"""A Procfile: the same reading as that of `procman -f Procfile`."""

from __future__ import annotations

import os
import re

from procman.config.formats.draft import Imported, Loss
from procman.config.formats.nodes import Node
from procman.config.procfile import parse_procfile
from procman.config.source import Source

_PORT = re.compile(r"\$(?:PORT\b|\{PORT\b)")


def import_procfile(source: Source) -> Imported:
    """Return the processes of a Procfile.

    Raises:
        InvalidConfig: a line is no `name: command`, or there is none.
    """
    imported = Imported()
    lines = {line.partition(":")[0].strip(): at for at, line in enumerate(source.text.split("\n"), 1)}
    for name, app in parse_procfile(source).apps.items():
        node = Node(app.command.text, lines.get(name, 0), name, source.shown)
        draft = imported.draft(name, node)
        draft.put_command(app.command.text, node)
        if app.env_file:
            draft.put("env_file", [os.path.basename(path) for path in app.env_file], node)
        if _PORT.search(app.command.text):
            why = "foreman invents a port for it (5000, 5100…); say which: `port = 3000`"
            imported.losses.append(Loss(node.place, f"{name}: $PORT", why))
        imported.apps.append(draft)
    return imported
