"""The scripts of a package.json that go on running."""

from __future__ import annotations

import re

from procman.config.formats.draft import Imported
from procman.config.formats.nodes import Node

_SERVES = ("dev", "start", "serve", "develop")  # the first that is there
_GOES_ON = re.compile(r"(?:dev|start|serve|watch)[:.-]\S+|worker\S*|watch")


def parse_package(document: Node, runner: str) -> Imported:
    """Return the scripts of a package.json that serve, watch or work.

    Args:
        document: the file.
        runner: the package manager of the folder: `npm`, `pnpm`, `yarn` or `bun`.

    Raises:
        InvalidConfig: there are no scripts in it.
    """
    imported = Imported()
    scripts = document.child("scripts")
    if scripts is None or not scripts.table:
        raise (scripts or document).wrong("there are no `scripts` in it")
    main = next((name for name in _SERVES if name in scripts.table), None)
    for name, script in scripts.table.items():
        if not script.is_scalar or not script.text.strip():
            imported.lose(script, "expected a command")
        elif name == main:
            package = document.child("name")
            # A scoped name, `@company/web`, is called by what stands last.
            shown = package.text.rpartition("/")[2] if package is not None and package.text else name
            _add(imported, shown, name, script, runner)
        elif _GOES_ON.fullmatch(name) and not name.startswith(f"{main}-"):
            _add(imported, name, name, script, runner)
        else:
            known = f"it ends by itself, or does what `{main}` does; `procman add` makes an app of it"
            imported.lose(script, known if main else "it ends by itself; `procman add` makes an app of it")
    return imported


def _add(imported: Imported, shown: str, script: str, node: Node, runner: str) -> None:
    draft = imported.draft(imported.name_for(shown), node)
    draft.put_words([runner, "run", script], node)
    imported.apps.append(draft)
