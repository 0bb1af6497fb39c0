"""What happened, as it is kept: a record for each thing worth telling, in a sentence and in data.

`procman events`, `why` and `report` are made of nothing else. The sentence is for people and names what it is
about; the data is for programs, and its keys may be added to, never renamed.

| kind | data |
| --- | --- |
| `manager` | `event`: began, ended, replaced, took back; `pid`, `version`, or `pids` of what it took back |
| `reload` | `error`: null or the message; `summary` |
| `state` | `old`, `new`, `reason`, `wanted`, `ending`: null, or why its run is being ended |
| `wait` | `reason`, `verdict`, `paused`: whether for something that its user does |
| `spawn` | `pid`, `command`, `cwd`, `cause`, `prepare`: whether it is the app's `prepare` |
| `check` | `outcome` (up, down, unknown, held), `detail`, `verdict`, `failures`, `answers`: by address |
| `signal` | `signal`, `reached`: names and pids |
| `exit` | `code`, `signal`, `cause`: null, or `kind`, `sentence`, `remedy` |
| `gone` | `ended`, `took_s`, `forced_after_s`, `port`, `port_holder`, `survivors` |
| `evidence` | `processes`, `sockets`, `checks`, `lines`: what the app looked like before it was ended |
| `problem` | nothing |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Kind(Enum):
    """What a record is about; the words are the public ones."""

    MANAGER = "manager"  # a manager began, ended, made room for another version, or took an app back
    RELOAD = "reload"  # the file was applied, or rejected
    STATE = "state"  # a decision: an app changed its state, and why
    WAIT = "wait"  # what an app that is to start waits for
    SPAWN = "spawn"  # the first process of a run exists
    CHECK = "check"  # a check failed, or said something else than the one before
    SIGNAL = "signal"  # a signal was sent
    EXIT = "exit"  # the first process of a run ended
    GONE = "gone"  # no process of a run is left
    EVIDENCE = "evidence"  # what an app looked like just before its run was ended
    PROBLEM = "problem"  # something that changes no app's state


@dataclass(frozen=True, slots=True)
class Record:
    """One thing that happened."""

    at: float  # seconds since the epoch
    kind: Kind
    text: str  # a sentence without a full stop, of one line; it need not name the app
    app: str | None = None  # None: it is about the manager
    run: int | None = None  # of the app; None where it had none yet
    data: Mapping[str, Any] = field(default_factory=dict)  # plain JSON values
    number: int = 0  # its place in the history, from 1; 0 until it is kept
