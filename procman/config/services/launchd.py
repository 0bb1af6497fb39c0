"""The property list of a manager for launchd. It was never tried on macOS."""

from __future__ import annotations

import os
import plistlib
from typing import Any

from procman.config.services.service import RESTART_AFTER, Service, differing

# What a daemon has without a shell; the folders of Homebrew's two places come first.
PATH = "/opt/homebrew/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"


def label(service_name: str) -> str:
    """Return the label of a service: `procman.shop`."""
    return service_name.replace("-", ".", 1)


def property_list(service: Service, logs: str) -> str:
    """Return the text of the `.plist` file: an agent of its user, or a daemon of the machine.

    Args:
        service: what it starts.
        logs: the folder for what the manager writes to stderr before it has its own log.
    """
    document: dict[str, Any] = {
        "Label": label(service.name),
        "ProgramArguments": list(service.command("service", "run")),
        "WorkingDirectory": service.folder,
        "EnvironmentVariables": {"PATH": PATH, **service.environment},
        "RunAtLoad": True,
        # Started again after a crash, not after `procman down`. launchd ends what is left of the group of the
        # process, and of no other: every app has a session of its own.
        "KeepAlive": {"SuccessfulExit": False},
        "AbandonProcessGroup": True,
        "ThrottleInterval": max(1, round(RESTART_AFTER)),
        "ExitTimeOut": round(service.stop_within),
        "ProcessType": "Interactive",  # "Background" slows down disk and processor of every app
        "StandardErrorPath": os.path.join(logs, f"{service.name}.log"),
    }
    if service.system and service.user is not None:
        document["UserName"] = service.user
    return plistlib.dumps(document, sort_keys=False).decode()


def file_of(text: str) -> str | None:
    """Return the project's file that a property list of ours was written for, or None."""
    words = _read(text).get("ProgramArguments")
    if not isinstance(words, list) or words[-2:] != ["service", "run"] or "-f" not in words[:-3]:
        return None
    return str(words[words.index("-f") + 1])


def programs(text: str) -> list[str]:
    """Return the program that a property list runs."""
    words = _read(text).get("ProgramArguments")
    return [str(words[0])] if isinstance(words, list) and words else []


def user_of(text: str) -> str | None:
    """Return as whom a daemon runs, if it says so."""
    found = _read(text).get("UserName")
    return found if isinstance(found, str) else None


def differences(wanted: str, found: str) -> list[str]:
    """Return what differs between two property lists, by key."""
    return differing(_read(wanted), _read(found))


def _read(text: str) -> dict[str, Any]:
    try:
        document = plistlib.loads(text.encode())
    except Exception:  # plistlib raises whatever expat and its converters do
        return {}
    return document if isinstance(document, dict) else {}
