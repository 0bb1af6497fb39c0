"""What a shell may complete: commands and options by click, the names of apps and keys from the project.

A shell asks at every press of Tab, in a folder that may have no project, a broken file, or no manager: then
there is nothing to complete, and never an error.
"""

from __future__ import annotations

import json

import click
from click.shell_completion import CompletionItem

VARIABLE = "_PROCMAN_COMPLETE"  # set by the scripts: `bash_complete`, `zsh_complete`, …


def app_names(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the apps, with their states where a manager runs, and the tags."""
    apps = _apps(context)
    tags = {f"@{tag}": "a tag" for _, each in apps.values() for tag in each}
    known = {name: state for name, (state, _) in apps.items()} | tags
    typed = context.params.get(parameter.name or "") or ()
    return _matching({name: text for name, text in known.items() if name not in typed}, incomplete)


def keys(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the keys that `get` and `set` take: `web.port`, `defaults.stop_timeout`, `manager.logs.keep`."""
    from procman.core.fields import APP, DEFAULTS, MANAGER, Table

    tables: dict[str, Table] = dict.fromkeys(_apps(context), APP)
    tables |= {"defaults": DEFAULTS, "manager": MANAGER}
    found: dict[str, str] = {}
    for top, table in tables.items():
        for field in table.values():
            found[f"{top}.{field.key}"] = field.doc
            for inner in (field.table or {}).values():
                found[f"{top}.{field.key}.{inner.key}"] = inner.doc
    return _matching(found, incomplete)


def _apps(context: click.Context) -> dict[str, tuple[str, list[str]]]:
    """Return the state and the tags of each app: as the manager says, else as the file does."""
    from procman.cli.failure import Failure
    from procman.cli.project import find_project

    try:
        project = find_project(context.find_root().params.get("file"))
        try:
            apps = json.loads(project.ask_status())["apps"]
            return {app["name"]: (app["state"], app["tags"]) for app in apps}
        except Failure:
            enabled = project.read().enabled_apps()
            return {name: ("", list(app.tags)) for name, app in enabled.items()}
    except (Failure, OSError, ValueError, KeyError):
        return {}


def _matching(known: dict[str, str], incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=_short(text)) for name, text in known.items() if name.startswith(incomplete)
    ]


def _short(text: str) -> str:
    """Return the first clause of a text, on one line and without what only Markdown shows."""
    return text.replace("`", "").partition(". ")[0].partition("\n")[0].rstrip(".")


def complete(group: click.Group, instruction: str) -> int:
    """Answer a shell's question, which is in the environment, and return the exit code."""
    from click.shell_completion import shell_complete

    register_powershell()
    return shell_complete(group, {}, "procman", VARIABLE, instruction)


def script(group: click.Group, shell: str) -> str:
    """Return the script that teaches a shell to complete `procman`."""
    from click.shell_completion import get_completion_class

    register_powershell()
    found = get_completion_class(shell)
    assert found is not None, "every shell that may be asked for has a class"
    return found(group, {}, "procman", VARIABLE).source()


def register_powershell() -> None:
    """Let click know of PowerShell, which it does not know by itself."""
    from click.shell_completion import ShellComplete, add_completion_class, split_arg_string

    class PowerShell(ShellComplete):
        name = "powershell"
        source_template = _POWERSHELL

        def get_completion_args(self) -> tuple[list[str], str]:
            import os

            words = split_arg_string(os.environ["COMP_WORDS"])
            incomplete = os.environ["COMP_INCOMPLETE"]
            return [word for word in words[1:] if word != incomplete or not incomplete], incomplete

        def format_completion(self, item: CompletionItem) -> str:
            return f"{item.value}\t{item.help or item.value}"

    add_completion_class(PowerShell)


_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_INCOMPLETE = $wordToComplete
    $env:%(complete_var)s = 'powershell_complete'
    try {
        %(prog_name)s | ForEach-Object {
            $value, $help = $_ -split "`t", 2
            [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
        }
    } finally {
        Remove-Item Env:COMP_WORDS, Env:COMP_INCOMPLETE, Env:%(complete_var)s
    }
}
"""
