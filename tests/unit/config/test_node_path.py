"""Which node an app of a service gets: by what the version managers of its user have on the disk."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from procman.config.environment import build_environment, trace_environment
from procman.config.node_path import find_path
from procman.core.config import AppConfig, Command


class Home:
    """A user's folder with version managers, and a project in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = folder / "shop"
        self.app = self.project / "packages/web"
        self.app.mkdir(parents=True)
        self.environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}

    def node(self, place: str) -> str:
        """Put a node there; return its folder."""
        folder = self.folder / place
        folder.mkdir(parents=True)
        (folder / "node").write_text("#!/bin/sh\n")
        (folder / "node").chmod(0o755)
        return str(folder)

    def nvm(self, version: str) -> str:
        """Install a version with nvm."""
        return self.node(f".nvm/versions/node/v{version}/bin")

    def fnm(self, version: str) -> str:
        """Install a version with fnm."""
        return self.node(f".local/share/fnm/node-versions/v{version}/installation/bin")

    def write(self, path: str, text: str) -> None:
        """Write a file."""
        place = self.folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def path(self) -> list[str]:
        """Return the folders that the app would have on its PATH."""
        return find_path(str(self.app), self.environment)[0].split(":")

    def why(self) -> str:
        """Return what has decided on its node."""
        return find_path(str(self.app), self.environment)[1]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def test_without_a_version_manager_the_path_stays(home: Home) -> None:
    assert [each for each in home.path() if each.startswith(str(home.folder))] == []
    assert home.path()[-2:] == ["/usr/bin", "/bin"]


@pytest.mark.parametrize(
    ("wish", "version"),
    [
        ("20\n", "20.11.1"),
        ("v20.9.0", "20.9.0"),
        ("20.9", "20.9.0"),
        ("# as in production\n18 # the old one\n", "18.20.4"),
        ("lts/iron", "20.11.1"),
        ("lts/*", "20.11.1"),
        ("node", "22.1.0"),
        ("old", "18.20.4"),
    ],
)
def test_nvmrc_is_met_by_the_newest_that_fits(home: Home, wish: str, version: str) -> None:
    folders = {each: home.nvm(each) for each in ("18.20.4", "20.9.0", "20.11.1", "22.1.0")}
    home.write(".nvm/alias/lts/*", "lts/iron\n")
    home.write(".nvm/alias/lts/iron", "v20.11.1\n")
    home.write(".nvm/alias/old", "18\n")
    home.write("shop/.nvmrc", wish)
    assert home.path()[0] == folders[version]
    assert home.why() == f"`.nvmrc`: node {version} of nvm"


def test_the_nearest_file_wins_and_each_start_looks_again(home: Home) -> None:
    old, new = home.nvm("18.20.4"), home.fnm("22.1.0")
    home.write("shop/.nvmrc", "18")
    assert home.path()[0] == old
    home.write("shop/packages/web/.node-version", "22.1.0\n")
    assert home.path()[0] == new
    assert home.why() == "`.node-version`: node 22.1.0 of fnm"


def test_without_a_file_the_default_of_the_version_manager_holds(home: Home) -> None:
    home.nvm("18.20.4")
    newest = home.nvm("22.1.0")
    home.write(".nvm/alias/default", "lts/jod\n")
    home.write(".nvm/alias/lts/jod", "v22.1.0\n")
    assert (home.path()[0], home.why()) == (newest, "the default of nvm: node 22.1.0")
    home.write(".nvm/alias/default", "default\n")
    assert home.why() == "no version manager has a default"


def test_the_default_of_fnm_is_a_link(home: Home) -> None:
    folder = home.fnm("20.11.1")
    aliases = home.folder / ".local/share/fnm/aliases"
    aliases.mkdir()
    (aliases / "default").symlink_to(Path(folder).parent)
    assert home.path()[0] == folder


def test_a_wish_that_nobody_meets_leaves_the_choice_to_the_rest_of_the_path(home: Home) -> None:
    home.nvm("18.20.4")
    home.write("shop/.nvmrc", "lts/unheard-of")
    assert home.why() == "`.nvmrc` asks for node `lts/unheard-of`, and no version manager has it"
    assert home.path()[-1] == "/bin"


def test_shims_choose_for_themselves_and_a_pin_of_volta_comes_first(home: Home) -> None:
    for shims in (".volta/bin", ".asdf/shims", ".asdf/bin", ".local/share/mise/shims", ".nodenv/shims"):
        home.node(shims)
    exact = home.nvm("20.11.1")
    home.write("shop/.nvmrc", "20")
    assert home.path()[0] == exact
    assert home.path()[1:6] == [
        str(home.folder / each)
        for each in (".volta/bin", ".local/share/mise/shims", ".asdf/shims", ".asdf/bin", ".nodenv/shims")
    ]
    home.write("shop/package.json", json.dumps({"volta": {"node": "18.20.4"}}))
    assert home.path()[0] == str(home.folder / ".volta/bin")
    assert home.why() == "`volta` in package.json"


def test_tool_versions_is_read_as_asdf_does(home: Home) -> None:
    folder = home.node(".asdf/installs/nodejs/20.11.1/bin")
    home.write("shop/.tool-versions", "python 3.12.1\nnodejs 20.11.1 18.0.0\n")
    assert (home.path()[0], home.why()) == (folder, "`.tool-versions`: node 20.11.1 of asdf")


@pytest.mark.parametrize("text", ["", "\n# nothing\n", "../../../etc/passwd", "/etc/passwd", "\x00\xff"])
def test_what_is_no_version_leads_nowhere(home: Home, text: str) -> None:
    home.nvm("20.11.1")
    home.write("shop/.nvmrc", text)
    assert home.path()[-2:] == ["/usr/bin", "/bin"]


def test_a_fifo_is_not_waited_for(home: Home) -> None:
    os.mkfifo(home.app / ".nvmrc")
    assert home.why() == "no version manager has a default"


def test_it_is_done_for_a_service_alone_and_said(home: Home) -> None:
    folder = home.nvm("20.11.1")
    home.write("shop/.nvmrc", "20")
    app = AppConfig("web", Command(("node",)), cwd=str(home.app))
    assert build_environment(app, home.environment)["PATH"] == "/usr/bin:/bin"
    service = {**home.environment, "PROCMAN_PATH": "auto", "NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "1"}
    got = build_environment(app, service)
    assert got["PATH"].split(":")[0] == folder
    assert set(got) == {"HOME", "PATH"}
    (path,) = (each for each in trace_environment(app, service) if each.name == "PATH")
    assert path.source == "the manager's environment; `.nvmrc`: node 20.11.1 of nvm"
