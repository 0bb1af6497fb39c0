"""The schema in the hands of Taplo, which is what editors show errors and completions of TOML with."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from procman.config import schema
from procman.config.read import InvalidConfig, read_config
from tests.fuzz.corpus import REPOSITORY, begin_with
from tests.real.npm import Install
from tests.real.project import PATIENCE, PROCMAN

pytestmark = pytest.mark.npm

TAPLO = ("@taplo/cli@0.7",)
APP = '[apps.web]\ncommand = "x"\n'
# What stands behind the app, and what Taplo has to say about it. (The schema demands no `command`: it may
# stand in [defaults].)
BAD = {
    "unknown key": ('comand = "y"\n', "comand"),
    "key of another tool": ('directory = "web"\n', "directory"),
    "unknown table": ("[services.web]\n", "services"),
    "wrong type": ("port = 'x'\n", '"x" is not of type "integer"'),
    "port out of range": ("port = 99999\n", "99999 is greater than the maximum of 65535"),
    "port below": ("port = 0\n", "0 is less than the minimum of 1"),
    "array for a string": ("cwd = ['web']\n", '["web"] is not of type "string"'),
    "word that is none": ('restart = "sometimes"\n', '"sometimes" is not one of'),
    "duration without a unit": ('check_interval = "10"\n', '"10" is not valid'),
    "unknown key in a check": ("[apps.web.check]\nhtpp = '/'\n", "htpp"),
    "path without a slash": ("check = { http = 'health' }\n", "'health'|\"health\""),
    "unknown condition": ("depends_on = { db = 'ready' }\n", "is not valid"),
    "unknown limit": ("limits = { files = 1 }\n", "files"),
    "table for an app": ("[apps]\nweb2 = 'npm run dev'\n", "npm run dev"),
    "port in defaults": ("[defaults]\nport = 1\n", "port"),
}


@pytest.fixture
def taplo(install: Install, tmp_path: Path) -> Path:
    """Return Taplo, and have an empty folder."""
    return install(TAPLO) / ".bin" / "taplo"


def check(
    taplo: Path, folder: Path, *files: Path, environment: Mapping[str, str], with_schema: bool = True
) -> subprocess.CompletedProcess[str]:
    """Check files with Taplo."""
    words = [str(taplo), "check", "--colors", "never"]
    words += ["--schema", schema.FILE.as_uri()] if with_schema else []
    return subprocess.run(
        [*words, *(str(file.relative_to(folder)) for file in files)],
        cwd=folder,
        env={**environment, "PATH": str(Path(shutil.which("node") or "node").parent) + ":/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE * 4,
        check=False,
    )


def faults(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return what was said of each file that was refused, by its name."""
    found: dict[str, str] = {}
    for message, file in re.findall(
        r"error: (.*)\n +┌─ (?:.*/)?([^/:]+):\d+:\d+\n", done.stderr + done.stdout
    ):
        found[file] = f"{found.get(file, '')}\n{message}"
    return found


def written_by_init(folder: Path) -> Path:
    """Return the file that `init` writes for a project of two npm apps."""
    for name, tool in (("web", "vite"), ("api", "express")):
        (folder / name).mkdir(parents=True)
        text = f'{{"name": "{name}", "scripts": {{"dev": "{tool}"}}, "dependencies": {{"{tool}": "1"}}}}'
        (folder / name / "package.json").write_text(text)
    subprocess.run([*PROCMAN, "init"], cwd=folder, check=True, capture_output=True)
    return folder / "portwatch.toml"


def test_good_files_pass_and_each_bad_one_is_refused_for_what_is_wrong(
    taplo: Path, tmp_path: Path, npm_environment: dict[str, str]
) -> None:
    good = []
    for number, content in enumerate(begin_with("toml")):  # the examples are among them
        path = tmp_path / f"good{number}.toml"
        path.write_bytes(content)
        try:
            read_config(str(path))
        except InvalidConfig:
            path.unlink()
        else:
            good.append(path)
    good.append(written_by_init(tmp_path / "project"))
    assert (REPOSITORY / "portwatch.toml").read_bytes() in {path.read_bytes() for path in good}
    assert len(good) >= 4
    bad = {name: tmp_path / f"{name.replace(' ', '-')}.toml" for name in BAD}
    for name, path in bad.items():
        path.write_text(APP + BAD[name][0])
        with pytest.raises(InvalidConfig):
            read_config(str(path))

    done = check(taplo, tmp_path, *good, *bad.values(), environment=npm_environment)

    assert done.returncode != 0
    said = faults(done)
    assert set(said) == {path.name for path in bad.values()}, done.stderr
    for name, path in bad.items():
        assert re.search(BAD[name][1] if "|" in BAD[name][1] else re.escape(BAD[name][1]), said[path.name]), (
            name
        )


def test_the_line_that_init_writes_leads_to_the_schema(
    taplo: Path, tmp_path: Path, npm_environment: dict[str, str]
) -> None:
    path = written_by_init(tmp_path / "project")
    assert path.read_text().startswith("#:schema .procman/portwatch.schema.json\n")
    home = path.parent / ".procman"
    home.mkdir(exist_ok=True)
    schema.leave(home)
    done = check(taplo, path.parent, path, environment=npm_environment, with_schema=False)
    assert done.returncode == 0, done.stderr
    path.write_text(path.read_text() + "\n[apps.more]\ncommand = 'x'\nport = 99999\n")
    done = check(taplo, path.parent, path, environment=npm_environment, with_schema=False)
    assert done.returncode != 0
    assert "99999 is greater than the maximum of 65535" in faults(done)["portwatch.toml"]
