"""An app while it is put together from the keys of another tool, and the list of what had no place in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from procman.config.commands import split
from procman.config.formats.nodes import Node
from procman.core.fields import APP
from procman.core.kinds import NAME
from procman.core.values import Bad, duration_text

# What a shell does with words outside quotes and `split` does not: globs, `~`, a comment; its own commands.
_FOR_A_SHELL = re.compile(r"(?:^|\s)[~#]|[*?\[\]]|(?<!\$)\{[^{}\s]*[,.][^{}\s]*\}")
_BUILTIN = re.compile(
    r"\s*(?:exec|cd|export|source|\.|set|eval|if|for|while|until|case|ulimit|umask|trap|\(|\{|!)\s"
)


@dataclass(frozen=True, slots=True)
class Loss:
    """Something of the file that is not in the apps."""

    place: str  # `compose.yaml:12`
    what: str  # `services.web.networks`
    why: str


@dataclass(slots=True)
class Draft:
    """One app so far: plain values of our keys, and where each was found."""

    name: str
    node: Node
    losses: list[Loss]
    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[str, Node] = field(default_factory=dict)

    def put(self, key: str, value: object, node: Node) -> bool:
        """Set one of our keys, and return whether it could be; else it is a loss.

        Args:
            key: of an app, or one inside of a table: `check.http`, `env.NODE_ENV`.
            value: as it would stand in the file.
            node: where it is from.
        """
        top, _, inner = key.partition(".")
        found = APP.get(top)
        if found is None:
            self.lose(node, f"`{top}` is not supported by this version of procman yet")
            return False
        place = found.table.get(inner) if inner and found.table is not None else None
        try:
            (place or found).parse({inner: value} if inner and place is None else value)
        except Bad as bad:
            self.lose(node, bad.message)
            return False
        if inner:
            self.values[top] = {**self.values.get(top, {}), inner: value}
        else:
            self.values[top] = value
        self.origins.setdefault(top, node)
        return True

    def lose(self, node: Node, why: str) -> None:
        """Note that a value of the file is not carried over."""
        self.losses.append(Loss(node.place, node.path, why))

    def put_command(self, text: str, node: Node) -> None:
        """Set the command that a shell runs there; here without one, where it means the same."""
        if self.put("command", text, node) and needs_shell(text):
            self.values["shell"] = True

    def put_words(self, words: Iterable[str], node: Node) -> None:
        """Set the command whose words are known."""
        every = list(words)
        plain = all(re.fullmatch(r"[\w./:=@,+%-]+", word) for word in every) and "=" not in every[0]
        self.put("command", " ".join(every) if plain else every, node)

    def put_variable(self, name: str, value: str, node: Node) -> None:
        """Set a variable, in which `${VAR}` is filled in; `PORT` becomes the port, if it is one."""
        if name == "PORT" and value.isdecimal() and "port" not in self.values:
            self.put("port", int(value), node)
        elif name != "PORT" or value != str(self.values.get("port")):
            self.put(f"env.{name}", value, node)


Rule = Callable[[Draft, Node], object]


@dataclass(slots=True)
class Imported:
    """What a file holds."""

    apps: list[Draft] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def draft(self, name: str, node: Node) -> Draft:
        """Return a new app, not yet among the apps, under a name that it can have and that is free."""
        draft = Draft(self.name_for(name), node, self.losses)
        if draft.name != name:
            draft.lose(node, f"it is called `{draft.name}` here")
        return draft

    def name_for(self, name: str) -> str:
        """Return a name that an app can have, and that none has yet."""
        fit = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip("._-")[:56].rstrip("._-") or "app"
        taken = {app.name for app in self.apps}
        free = fit if NAME.fullmatch(fit) else "app"
        number = 1
        while free in taken:
            number += 1
            free = f"{fit}-{number}"
        return free

    def lose(self, node: Node, why: str) -> None:
        """Note that a value of the file is not carried over."""
        self.losses.append(Loss(node.place, node.path, why))


def follow(rules: Mapping[str, Rule | str], draft: Draft, table: Node, unknown: str) -> None:
    """Carry every key of a table over, in the order of the rules; each other key is a loss.

    Args:
        rules: what is done with each key. A text is why it is lost.
        draft: takes the values.
        table: of the other tool.
        unknown: why a key without a rule is lost.
    """
    for key, rule in rules.items():
        node = table.child(key)
        if node is None:
            continue
        if isinstance(rule, str):
            draft.lose(node, rule)
        else:
            rule(draft, node)
    for key, node in table.table.items():
        if key not in rules:
            draft.lose(node, unknown)


def settle_dependencies(imported: Imported) -> None:
    """Name what apps wait for as it is called here, and take out what is not carried over."""
    names = {app.node.path.partition(".")[2]: app.name for app in imported.apps}
    for app in imported.apps:
        waits = app.values.pop("depends_on", None)
        if waits is None:
            continue
        node = app.origins["depends_on"]
        for name in waits:
            if name not in names:
                app.lose(node.child(name) or node, f"`{name}` is not among the apps")
        if isinstance(waits, dict):
            left: object = {names[name]: condition for name, condition in waits.items() if name in names}
        else:
            left = [names[name] for name in waits if name in names]
        if left:
            app.put("depends_on", left, node)


def to(key: str, meaning: Callable[[Any], object] | None = None) -> Rule:
    """Return the rule that sets our key to the value, or to what that means there.

    A `meaning` raises `Bad` for what it does not know.
    """

    def rule(draft: Draft, node: Node) -> None:
        try:
            draft.put(key, plain(node) if meaning is None else meaning(node.value), node)
        except Bad as bad:
            draft.lose(node, bad.message)
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError):
            draft.lose(node, "it is not understood")

    return rule


def nothing(*values: object) -> Rule:
    """Return the rule of a key that asks with these values for what procman does anyway; others are lost."""

    def rule(draft: Draft, node: Node) -> None:
        if node.value not in values:
            draft.lose(node, "procman has nothing like it")

    return rule


def plain(node: Node) -> object:
    """Return a tree as plain values."""
    if isinstance(node.value, dict):
        return {key: plain(each) for key, each in node.value.items()}
    return [plain(each) for each in node.value] if isinstance(node.value, list) else node.value


def needs_shell(text: str) -> bool:
    """Return whether a command that a shell runs elsewhere needs one here too."""
    if _FOR_A_SHELL.search(text) or _BUILTIN.match(f"{text} "):
        return True
    try:
        split(text)
    except Bad:
        return True
    return False


def shell_words(text: str) -> str | list[str]:
    """Return a command for `check.exec` or `prepare` that works beside any `shell`."""
    return ["/bin/sh", "-c", text] if needs_shell(text) else text


def seconds(value: object) -> str:
    """Return a number of seconds as a duration."""
    return duration_text(float(str(value)))


def milliseconds(value: object) -> str:
    """Return a number of milliseconds as a duration; `1500` is short for `1.5s`."""
    return seconds(float(str(value)) / 1000)
