"""Promises of `init` for any folder, each with bugs that prove it can be broken."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from procman.config.discover import draft as drafts
from procman.config.discover import look, npm
from procman.config.discover.draft import draft
from procman.config.discover.findings import App, Found
from procman.config.discover.look import discover
from procman.config.read import parse_config
from procman.config.source import Source
from procman.core.config import Condition, Config, Restart
from procman.core.kinds import NAME
from tests.fakes.files import lay, package
from tests.properties.promises import promise

WEIRD = st.text(st.sampled_from("ab.-_ \"'\\#{}[]=\n\té~é"), min_size=1, max_size=8)
FOLDERS = st.sampled_from(["web", "api", "a.b", "~web", "web app", 'we"b', "we'b", "é", "#1", "install", "-"])
PROGRAMS = st.sampled_from(
    [
        *("vite", "vite --port 3000", "next dev", "next dev -p 3000", "ng serve", "nest start --watch"),
        *(
            "node server.js",
            "PORT=65535 node server.js",
            "tsx watch src/index.ts",
            "tsc -w",
            "tsc",
            "my-tool",
        ),
        *(
            "react-scripts start",
            "json-server db.json",
            "storybook dev",
            "echo '{port}'",
            "x '",
            "$HOME/x",
            "'my\ntool'",
        ),
    ]
)
PARTS = st.lists(
    st.one_of(PROGRAMS, st.sampled_from(["npm run start", "npm:*", "npm run dev -w web"])), max_size=3
)
SCRIPTS = st.one_of(
    PROGRAMS,
    WEIRD,
    PARTS.map(" & ".join),
    PARTS.map(" && ".join),
    PARTS.map(lambda parts: "concurrently -n {name},b " + " ".join(f'"{part}"' for part in parts)),
    st.sampled_from(
        ["turbo dev", "npm run start", "npm run dev", "run-p dev start", "yarn workspace web dev"]
    ),
)
MANIFESTS = st.builds(
    lambda scripts, needs, name, rest: package(scripts, needs, name=name, **rest),
    st.dictionaries(st.sampled_from(["dev", "start", "serve", "build"]), SCRIPTS, max_size=3),
    st.lists(st.sampled_from(["express", "vite", "next"]), max_size=2),
    st.one_of(WEIRD, st.none(), st.just("shop"), st.just("@shop/web")),
    st.fixed_dictionaries(
        {}, optional={"workspaces": st.just(["*", "apps/*"]), "packageManager": st.just("pnpm@9")}
    ),
)
LISTENS = st.sampled_from(["process.env.PORT || 3000", "3000", "process.env.API_PORT ?? 70000", "65535", "x"])
CONFIGS = st.sampled_from(
    ["{ server: { port: 3000 } }", "{ server: { port: 0 } }", "{", "const server = server"]
)
PROCFILES = st.lists(
    st.tuples(st.sampled_from(["web", "api", "install"]), SCRIPTS), max_size=3, unique_by=lambda x: x[0]
)
FILES = st.dictionaries(
    st.tuples(st.sampled_from(["", "", "apps/"]), st.one_of(FOLDERS, st.just(".")), st.integers(0, 7)),
    st.tuples(MANIFESTS, LISTENS, CONFIGS, WEIRD),
    max_size=5,
)


def files_of(example: Any) -> dict[str, object]:
    """Return the files of an example: what the numbers of its folders say is in them."""
    folders, procfile, root = example
    files: dict[str, object] = {"package.json": root} if root else {}
    for (above, name, kind), (manifest, listens, config, text) in folders.items():
        here = f"{above}{name}".replace("\n", "")
        files |= [
            {f"{here}/package.json": manifest, f"{here}/server.js": f"app.listen({listens})"},
            {f"{here}/package.json": manifest, f"{here}/vite.config.ts": f"export default {config}"},
            {f"{here}/package.json": manifest, f"{here}/package-lock.json": text},
            {f"{here}/package.json": manifest, f"{here}/yarn.lock": text, f"{here}/.env": "PORT=3000\n"},
            {f"{here}/manage.py": text, f"{here}/requirements.txt": text},
            {f"{here}/requirements.txt": "fastapi", f"{here}/main.py": "app = FastAPI()"},
            {f"{here}/package.json": text},
            {f"{here}/package.json": manifest, f"{here}/.env": text},
        ][kind]
    if procfile:
        files["Procfile"] = "".join(f"{name}: {line}\n" for name, line in procfile)
    return files


EXAMPLES = st.tuples(FILES, st.one_of(st.just([]), PROCFILES), st.one_of(st.none(), MANIFESTS))


def made(example: Any) -> Config | None:
    """Return what the file says that `init` writes for an example; None where it finds nothing."""
    with tempfile.TemporaryDirectory() as folder:
        discovery = discover(lay(Path(folder) / "shop", files_of(example)))
    text = draft(discovery)
    if not discovery.apps:
        return None
    config = parse_config(Source(f"{folder}/shop/portwatch.toml", "portwatch.toml", text, ""))
    assert list(config.apps) == [app.name for app in discovery.apps]
    assert [app.port for app in config.apps.values()] == [app.port for app in discovery.apps]
    return config


@promise(EXAMPLES)
def what_init_writes_is_valid(example: Any) -> None:
    config = made(example)
    assert config is None or all(NAME.fullmatch(name) for name in config.apps)


@promise(EXAMPLES)
def no_two_install_into_one_folder(example: Any) -> None:
    config = made(example)
    apps = list(config.apps.values()) if config else []
    prepared = [app.cwd for app in apps if app.prepare]
    assert len(prepared) == len(set(prepared))
    for app in apps:
        for name, condition in app.depends_on:
            assert config is not None
            awaited = config.apps[name]
            assert (condition, awaited.restart) == (Condition.COMPLETED, Restart.NEVER)
            assert awaited.prepare
            assert not app.prepare


def test_what_init_writes_is_valid() -> None:
    what_init_writes_is_valid.holds()


def test_no_two_install_into_one_folder() -> None:
    no_two_install_into_one_folder.holds()


def names_as_they_are(found: list[Found]) -> list[str]:
    """Return names that others may have."""
    return [look._valid(each.names[0]) or "app" for each in found]


def ports_as_they_are(found: list[Found], _: object) -> list[tuple[int | None, str]]:
    """Return ports that others may have."""
    return [(each.listening.port if each.listening else None, "") for each in found]


def any_name(name: str) -> str:
    """Return a name that may be none."""
    return name[:64]


def every_command(app: App, tree: object) -> bool:
    """Take each command for one that can be run."""
    return True


BUGS: list[tuple[object, str, Callable[..., object]]] = [
    (look, "_named", names_as_they_are),
    (look, "_ported", ports_as_they_are),
    (look, "_valid", any_name),
    (look, "_can_run", every_command),
    (drafts, "_plain", str),
    (drafts, "toml_text", lambda value: f'"{value}"'),
]


@pytest.mark.parametrize(("module", "name", "bug"), BUGS, ids=[name for _, name, _ in BUGS])
def test_a_file_that_is_not_valid_is_caught(
    monkeypatch: pytest.MonkeyPatch, module: object, name: str, bug: Callable[..., object]
) -> None:
    monkeypatch.setattr(module, name, bug)
    what_init_writes_is_valid.is_broken()


def test_an_installation_in_each_app_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def everywhere(described: Any) -> Any:
        for own, found in described:
            yield replace(found, prepare=own.install, cwd=own.root.folder)

    monkeypatch.setattr(npm, "with_installation", everywhere)
    no_two_install_into_one_folder.is_broken()
