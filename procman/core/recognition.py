"""Recognises in a run's last lines why it has failed.

A line that merely quotes an error must not count. So only whole lines count, in the words of the tool that
prints them, among what was printed last, and where the program has failed; and an error that is not known
hides what was printed before it. What the recognised means in this folder is for `engine.remedy` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from procman.core.causes import Match
from procman.core.sentences import SENTENCES, Sentence

LONGEST = 2_000  # characters of a line that are looked at
MOST_AFTER = 12  # lines that may follow, besides those in `_REST`
NEARBY = 20  # lines around the telling one in which the rest is named

# What may follow a telling line in any number: its stack trace, and what npm, yarn, pnpm, nodemon and
# `node --watch` add to a failure.
_REST = re.compile(
    r"\s|$|[]})]|- /|\d+: 0x|Node\.js v\d|Require stack:|Emitted 'error' event on "
    r"|npm (?:error|ERR!|warn)(?: |$)|Aborted|\(Use `node |\[nodemon\] |Failed running "
    r"|error Command failed |info Visit |➤ YN\d"
)
_ERROR = re.compile(r"(?:Uncaught )?[A-Z]\w*(?:Error|Exception)(?: \[\w+\])?(?:: |$)")
_EXIT_CODE = re.compile(r"(?:exit code|exited with code) (\d+)\b")
_CODE_LOST = re.compile(r"\s*ELIFECYCLE\b")  # pnpm exits with 1, whatever its script did
_PREFIX = re.compile(r"\[[\w:.@/-]{1,32}\] ")  # of concurrently


def recognise(code: int | None, signal: str | None, lines: Sequence[str]) -> Match | None:
    """Return what the last lines of a run say about its failure, or None.

    Args:
        code: with which it exited; None, with no signal either, for one that lives and does not answer.
        signal: that killed it; by SIGABRT node ends itself, any other comes from outside.
        lines: what it has printed, without colours, oldest first.
    """
    if signal not in (None, "SIGABRT"):
        return None
    after = 0
    for index in range(len(lines) - 1, -1, -1):
        forms = _forms(lines[index])
        match = next((each for form in forms if (each := _read(form, code, lines, index))), None)
        if match is not None:
            return match
        if not any(_REST.match(form) for form in forms):
            after += 1
        if after > MOST_AFTER or _is_traced(lines, index):
            return None
    return None


def _forms(line: str) -> tuple[str, ...]:
    """Return a line as it is, and without what concurrently puts before it."""
    line = line[:LONGEST].rstrip()
    prefix = _PREFIX.match(line)
    return (line,) if prefix is None else (line, line[prefix.end() :])


def _is_traced(lines: Sequence[str], index: int) -> bool:
    """Return whether this is the head of an error with its stack: nothing before it has ended the program."""
    after = lines[index + 1 : index + 2]
    traced = any(form.lstrip().startswith("at ") for line in after for form in _forms(line))
    return traced and any(_ERROR.match(form) for form in _forms(lines[index]))


def _read(line: str, code: int | None, lines: Sequence[str], index: int) -> Match | None:
    """Return what one line tells, with what is said around it."""
    for sentence in SENTENCES:
        if sentence.word not in line:
            continue
        found = sentence.line.fullmatch(line)
        if found is not None and _counts(sentence, code, lines[index + 1 : index + 1 + NEARBY]):
            return _match(sentence, found, lines, index)
    return None


def _counts(sentence: Sentence, code: int | None, after: Sequence[str]) -> bool:
    """Return whether the sentence goes with the exit code: that of the run, or one told after it."""
    if sentence.codes is None:
        return code != 0
    if code in sentence.codes:
        return True
    told = [int(found[1]) for line in after if (found := _EXIT_CODE.search(line)) is not None]
    lost = any(_CODE_LOST.match(line) for line in after)
    return code != 0 and (lost or not sentence.codes.isdisjoint(told))


def _match(sentence: Sentence, found: re.Match[str], lines: Sequence[str], index: int) -> Match:
    values: dict[str, Any] = {**sentence.known, **_said(found)}
    for pattern in sentence.near:
        if values.keys() >= pattern.groupindex.keys():
            continue
        near = (pattern.fullmatch(form) for each in _around(lines, index) for form in _forms(each))
        told = next((each for each in near if each is not None), None)
        if told is not None:
            values = {**_said(told), **values}
    for name in ("port", "pid"):
        if name in values:
            values[name] = int(values[name])
    return Match(sentence.kind, **values)


def _said(found: re.Match[str]) -> dict[str, str]:
    return {name: text for name, text in found.groupdict().items() if text is not None}


def _around(lines: Sequence[str], index: int) -> Iterator[str]:
    """Yield the lines near one: those after it, then those before it, the nearest first."""
    yield from lines[index + 1 : index + 1 + NEARBY]
    yield from reversed(lines[max(0, index - NEARBY) : index])
