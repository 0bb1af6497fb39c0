"""YAML as a tree of nodes. Its parser is installed with the extra `yaml`, and loaded by nothing else."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from procman.config.diagnostics import Diagnostic, InvalidConfig, Lines
from procman.config.formats.nodes import Node, join
from procman.config.source import Source

if TYPE_CHECKING:
    from ruamel.yaml.nodes import Node as Parsed

MOST = 100_000  # nodes, aliases counted each time: a file of 1 kB can stand for billions
_TAG = "tag:yaml.org,2002:"
_INSTALL = "`pip install 'procman-portwatch[yaml]'` adds the parser, ruamel.yaml"


class NoParser(Exception):
    """The parser of YAML is not installed; `hint` says how to get it."""

    hint = _INSTALL


def of_yaml(source: Source) -> Node:
    """Return the tree of a YAML file.

    Raises:
        InvalidConfig: it is no YAML, more than one document, or endless.
        NoParser: there is nothing to read it with.
    """
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError
    except ImportError as error:
        raise NoParser("a YAML file needs a parser that is not installed") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an anchor that is used again, which YAML allows
            parsed = YAML(typ="safe", pure=True).compose(source.text)
        return Node(None, 1, "", source.shown) if parsed is None else _Tree(source.shown).of(parsed, "", ())
    except MarkedYAMLError as error:
        raise InvalidConfig([_diagnostic(source, error)]) from error
    except InvalidConfig:
        raise
    except RecursionError as error:
        raise InvalidConfig([Diagnostic(source.shown, "it is nested too deeply")]) from error
    except Exception as error:  # of bytes and of directives; the parser fails on some with errors of Python's
        raise InvalidConfig([Diagnostic(source.shown, "it is no YAML that can be read", 1, 1)]) from error


def _diagnostic(source: Source, error: Any) -> Diagnostic:  # noqa: ANN401 - an error of the parser
    mark = error.problem_mark or error.context_mark
    message = f"it is no YAML: {error.problem or error.context or 'it cannot be read'}"
    if mark is None:
        return Diagnostic(source.shown, message, 1, 1)
    lines = Lines(source.text)
    at = min(mark.index, max(0, len(source.text) - 1))
    return lines.at(source.shown, at, at + 1, message)


class _Tree:
    def __init__(self, file: str) -> None:
        from ruamel.yaml.nodes import MappingNode, SequenceNode

        self._mapping, self._sequence = MappingNode, SequenceNode
        self._file = file
        self._count = 0

    def of(self, parsed: Parsed, path: str, around: tuple[int, ...]) -> Node:
        """Return the tree of what the parser has found."""
        line = parsed.start_mark.line + 1
        self._count += 1
        if id(parsed) in around or self._count > MOST:
            reason = "an alias stands inside of what it means" if id(parsed) in around else "it is too large"
            raise InvalidConfig([Diagnostic(self._file, reason, line, 1)])
        inside = (*around, id(parsed))
        if isinstance(parsed.value, str):
            value: Any = _scalar(parsed.tag or "", parsed.value)
        elif isinstance(parsed, self._mapping):
            value = self._table(parsed, path, inside)
        else:
            value = [self.of(each, f"{path}[{at}]", inside) for at, each in enumerate(parsed.value)]
        return Node(value, line, path, self._file)

    def _table(self, parsed: Parsed, path: str, around: tuple[int, ...]) -> dict[str, Node]:
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, value in parsed.value:
            if key.tag == f"{_TAG}merge":
                for each in value.value if isinstance(value, self._sequence) else [value]:
                    merged = {**dict(self.of(each, path, around).table), **merged}
                continue
            name = key.value if isinstance(key.value, str) else "?"
            node = self.of(value, join(path, name), around)
            own[name] = Node(node.value, key.start_mark.line + 1, node.path, node.file)
        return merged | own


def _scalar(tag: str, text: str) -> object:
    try:
        match tag.removeprefix(_TAG):
            case "null":
                return None
            case "bool":
                return text.lower() in ("true", "yes", "on", "y")
            case "int":
                return int(text.replace("_", ""), 10 if text.lstrip("+-").isdecimal() else 0)
            case "float":
                return float(text.replace("_", ""))
    except ValueError:  # `.inf`, a base that Python spells otherwise: nobody needs it as a number here
        pass
    return text
