"""Where a manager that no shell has started finds node for an app: by what version managers have on the disk.

A service has the PATH of its service manager. nvm and fnm put node onto the PATH of a shell and nowhere else;
volta, asdf, mise and nodenv have a folder of shims, which ask for the version where they are run. To write
down at the installation what a shell had then would run that node for ever. To run the shell of a user
at each start would run all that they have in it, and Debian's returns early where nobody types. So it is
looked up at each start of an app, from its own folder upwards, as those tools do it themselves.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping

from procman.core.frozen import Frozen

SWITCH = "PROCMAN_PATH"  # `auto`: look it up. What `procman service install` writes sets it
VERSION_FILES = (".nvmrc", ".node-version", ".tool-versions")
LONGEST_ALIAS = 10  # names that lead to names: `default` -> `lts/*` -> `lts/iron` -> `v20.11.0`
USUAL = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_VERSION = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?")
_NEWEST = frozenset(("node", "stable", "latest", "current"))

Version = tuple[int, ...]


class Installed(Frozen):
    """A node that a version manager has installed."""

    version: Version
    folder: str  # with the program
    tool: str


class Wish(Frozen):
    """What asks for a version."""

    text: str
    file: str  # its name


class Places(Frozen):
    """Where the version managers of a user keep what they have."""

    nvm: str
    fnm: str
    nodes: tuple[tuple[str, str, str], ...]  # tool, folder of versions, and the folder of programs in one
    shims: tuple[tuple[str, str], ...]  # tool, folder
    programs: tuple[str, ...]  # other folders that tools of npm's world put programs into

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Places:
        """Return the places that an environment names, or else the usual ones."""
        home = environment.get("HOME") or os.path.expanduser("~")
        data = environment.get("XDG_DATA_HOME") or f"{home}/.local/share"

        def of(variable: str, *usual: str) -> str:
            there = (each for each in usual if os.path.isdir(each))
            return environment.get(variable) or next(there, usual[0])

        nvm = of("NVM_DIR", f"{home}/.nvm", f"{home}/.config/nvm")
        fnm = of("FNM_DIR", f"{data}/fnm", f"{home}/.fnm", f"{home}/Library/Application Support/fnm")
        volta, asdf = of("VOLTA_HOME", f"{home}/.volta"), of("ASDF_DATA_DIR", f"{home}/.asdf")
        mise, nodenv = of("MISE_DATA_DIR", f"{data}/mise"), of("NODENV_ROOT", f"{home}/.nodenv")
        return cls(
            nvm,
            fnm,
            nodes=(
                ("nvm", f"{nvm}/versions/node", "bin"),
                ("fnm", f"{fnm}/node-versions", "installation/bin"),
                ("volta", f"{volta}/tools/image/node", "bin"),
                ("asdf", f"{asdf}/installs/nodejs", "bin"),
                ("mise", f"{mise}/installs/node", "bin"),
                ("nodenv", f"{nodenv}/versions", "bin"),
            ),
            shims=(
                ("volta", f"{volta}/bin"),
                ("mise", f"{mise}/shims"),
                ("asdf", f"{asdf}/shims"),
                ("asdf", f"{asdf}/bin"),  # its shims call it
                ("nodenv", f"{nodenv}/shims"),
            ),
            programs=(
                of("PNPM_HOME", f"{data}/pnpm"),
                f"{of('BUN_INSTALL', f'{home}/.bun')}/bin",
                f"{of('DENO_INSTALL', f'{home}/.deno')}/bin",
                f"{home}/.local/bin",
                "/opt/homebrew/bin",
            ),
        )


def find_path(cwd: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the PATH for an app in `cwd`, and what has decided which node comes first, in words.

    Args:
        cwd: the folder of the app.
        environment: with `HOME`, where the version managers are, and with the `PATH` that comes last.
    """
    places = Places.of(environment)
    folders, why = _nodes_first(cwd, places)
    folders += [folder for _, folder in places.shims] + list(places.programs)
    rest = environment.get("PATH", os.pathsep.join(USUAL)).split(os.pathsep)
    there = [folder for folder in folders if os.path.isdir(folder)]
    return os.pathsep.join(dict.fromkeys((*there, *filter(None, rest)))), why


def _nodes_first(cwd: str, places: Places) -> tuple[list[str], str]:
    """Return the folder that is asked of first, if there is one, and why."""
    pinned = _volta_pin(cwd)
    if pinned is not None and os.path.isdir(places.shims[0][1]):
        return [places.shims[0][1]], f"`volta` in {pinned}"
    wish = find_wish(cwd)
    if wish is not None:
        found = _meet(wish.text, places)
        if found is not None:
            return [found.folder], f"`{wish.file}`: node {_spell(found.version)} of {found.tool}"
        return [], f"`{wish.file}` asks for node `{wish.text}`, and no version manager has it"
    for tool, alias in (("nvm", _nvm_alias(places, "default")), ("fnm", _fnm_alias(places, "default"))):
        found = None if alias is None else _meet(alias, places, tool)
        if found is not None:
            return [found.folder], f"the default of {tool}: node {_spell(found.version)}"
    return [], "no version manager has a default"


def find_wish(cwd: str) -> Wish | None:
    """Return the version of node that the nearest file from `cwd` upwards asks for, or None."""
    for folder in _upwards(cwd):
        for name in VERSION_FILES:
            text = _read(f"{folder}/{name}")
            wanted = _nodejs_of(text) if name == ".tool-versions" else _first_line(text)
            if wanted:
                return Wish(wanted, name)
    return None


def _volta_pin(cwd: str) -> str | None:
    """Return the name of the nearest package.json if volta is told there which node to take."""
    for folder in _upwards(cwd):
        text = _read(f"{folder}/package.json")
        if text and '"volta"' in text:
            try:
                document = json.loads(text)
            except (ValueError, RecursionError):
                return None
            if isinstance(document, dict) and "volta" in document:
                return "package.json"
    return None


def installed(places: Places) -> Iterator[Installed]:
    """Yield every node that a version manager of this user has."""
    for tool, folder, programs in places.nodes:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            match = _VERSION.fullmatch(name)
            place = f"{folder}/{name}/{programs}"
            if match and os.access(f"{place}/node", os.X_OK):
                yield Installed(tuple(int(each or 0) for each in match.groups()), place, tool)


def _meet(wanted: str, places: Places, tool: str | None = None) -> Installed | None:
    """Return the newest node that meets a wish, of the first tool where several have that one."""
    found = [each for each in installed(places) if tool in (None, each.tool)]
    for _ in range(LONGEST_ALIAS):
        if wanted in _NEWEST:
            return max(found, key=lambda each: each.version, default=None)
        match = _VERSION.fullmatch(wanted)
        if match:
            asked = tuple(int(each) for each in match.groups() if each is not None)
            fit = [each for each in found if each.version[: len(asked)] == asked]
            return max(fit, key=lambda each: each.version, default=None)
        alias = _nvm_alias(places, wanted) or _fnm_alias(places, wanted)
        if alias is None:
            return None
        wanted = alias
    return None


def _nvm_alias(places: Places, name: str) -> str | None:
    """Return what nvm has under a name, such as `default`, `lts/*` and `lts/iron`."""
    if name.startswith("/") or ".." in name.split("/"):
        return None
    return _first_line(_read(f"{places.nvm}/alias/{name}"))


def _fnm_alias(places: Places, name: str) -> str | None:
    """Return the version that a link of fnm's leads to: `aliases/default` -> `…/v20.11.0/installation`."""
    name = "lts-latest" if name == "lts/*" else name.replace("/", "-")
    try:
        target = os.readlink(f"{places.fnm}/aliases/{name}")
    except (OSError, ValueError):  # a NUL in the name
        return None
    return next((part for part in reversed(target.split("/")) if _VERSION.fullmatch(part)), None)


def _nodejs_of(text: str) -> str | None:
    """Return the first version that a `.tool-versions` has for node."""
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if len(words) > 1 and words[0] in ("nodejs", "node"):
            return words[1]
    return None


def _first_line(text: str) -> str | None:
    """Return the first line that says something; comments are nothing."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return next((line for line in lines if line), None)


def _upwards(cwd: str) -> Iterator[str]:
    folder = os.path.abspath(cwd)
    while True:
        yield folder.rstrip("/")
        above = os.path.dirname(folder)
        if above == folder:
            return
        folder = above


def _read(path: str) -> str:
    """Return the beginning of a small file, empty where there is none; what is no file is not opened."""
    try:
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(100_000)
    except (OSError, ValueError):
        return ""


def _spell(version: Version) -> str:
    return ".".join(map(str, version))
