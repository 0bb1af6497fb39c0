"""The JSON Schema: as it is made, and what it takes and rejects."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from procman.config import schema
from procman.core import kinds
from procman.core.fields import APP, CHECK, MANAGER
from procman.core.values import Bad


def test_the_file_is_what_the_fields_say() -> None:
    how = "python -m procman.config.schema > procman/config/portwatch.schema.json"
    assert schema.FILE.read_text(encoding="utf-8") == schema.text(), f"it is stale: `{how}`"


def test_every_key_has_its_place_with_a_description() -> None:
    document = schema.schema()["properties"]
    (app,) = document["apps"]["patternProperties"].values()
    for table, made in ((APP, app), (MANAGER, document["manager"]), (CHECK, app["properties"]["check"])):
        assert set(made["properties"]) == set(table)
        assert all(field["description"] for field in made["properties"].values())
        assert made["additionalProperties"] is False


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (kinds.RHYTHM, ["10s", "1h30m", "500ms", "30d", "1.5s"], ["", "10", "s", "10 seconds", "1s1h"]),
        (kinds.SIZE, ["10MB", "1GiB", "5kB", "9000B"], ["", "10 apples", "MB"]),
        (kinds.SIGNAL, ["SIGTERM", "TERM", "term", "sigusr1"], ["STOP", "SIGSTOP", "9"]),
        (kinds.TARGET, ["/", "/health?x=1"], ["health", "/a b"]),
        (kinds.HOST, ["localhost", "::1"], ["a b", "http://x"]),
    ],
)
def test_a_pattern_takes_what_the_parser_takes(kind: kinds.Kind, good: list[str], bad: list[str]) -> None:
    patterns = [each["pattern"] for each in [kind.schema, *kind.schema.get("anyOf", [])] if "pattern" in each]  # type: ignore[attr-defined]
    (pattern,) = patterns
    for text in good:
        kind.parse(text)
        assert re.search(pattern, text), f"an editor would mark {text!r}"
    for text in bad:
        with pytest.raises(Bad):
            kind.parse(text)
        assert not re.search(pattern, text), f"no editor would mark {text!r}"


def test_the_state_folder_gets_it_once(tmp_path: Path) -> None:
    schema.leave(tmp_path)
    place = tmp_path / "portwatch.schema.json"
    assert place.read_text(encoding="utf-8") == schema.text()
    before = place.stat().st_ino
    schema.leave(tmp_path)
    assert place.stat().st_ino == before
    place.write_text("{}")
    schema.leave(tmp_path)
    assert place.read_text(encoding="utf-8") == schema.text()


def test_a_link_in_its_place_leads_nobody_astray(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in ("portwatch.schema.json", "portwatch.schema.json.new"):
        (tmp_path / name).symlink_to(precious)
    schema.leave(tmp_path)
    assert precious.read_text() == "mine"
    assert not (tmp_path / "portwatch.schema.json").is_symlink()
