"""What the Windows service of a manager reads at its start. It was never run."""

from __future__ import annotations

import json
from typing import Any

from procman.config.services.service import FORMAT, Service, differing


def description(service: Service) -> str:
    """Return the text of the `.json` file: what to run, and how long a stop may take."""
    document = {
        "format": FORMAT,
        "file": service.file,
        "folder": service.folder,
        "command": list(service.command("service", "run")),
        "stop": list(service.command("down")),
        "stop_within_s": service.stop_within,
        "environment": service.environment,
    }
    return json.dumps(document, indent=2) + "\n"


def file_of(text: str) -> str | None:
    """Return the project's file that a description of ours was written for, or None."""
    found = _read(text).get("file")
    return found if isinstance(found, str) else None


def programs(text: str) -> list[str]:
    """Return the program that is run."""
    words = _read(text).get("command")
    return [str(words[0])] if isinstance(words, list) and words else []


def differences(wanted: str, found: str) -> list[str]:
    """Return what differs between two descriptions, by key."""
    return differing(_read(wanted), _read(found))


def _read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
