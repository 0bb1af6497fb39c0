"""What a recognised cause means in a folder: what is said, what mends it, and which files are waited for."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from procman.core.causes import Cause, Kind, Match
from procman.core.config import AppConfig, Command
from procman.engine import remedy
from procman.engine.packages import Package, package_name
from procman.engine.remedy import explain
from procman.engine.scene import Scene
from tests.fakes.host import FakeHost
from tests.fakes.programs import Listen, Program

Explain = Callable[..., Cause]


def lay(folder: Path, **files: object) -> None:
    """Write files; `__` in a name is a dot, `_in_` a slash."""
    for name, content in files.items():
        path = folder / name.replace("_in_", "/").replace("__", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))


@pytest.fixture
def web(tmp_path: Path) -> Path:
    folder = tmp_path / "web"
    folder.mkdir()
    return folder


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def says(web: Path, host: FakeHost) -> Explain:
    """Return what explains a match for an app in `web`."""

    def says(
        kind: Kind, command: str = "npm run dev", prepare: Command | None = None, **about: object
    ) -> Cause:
        config = AppConfig("web", Command(tuple(command.split())), cwd=str(web), prepare=prepare)
        scene = Scene(config, web.parent, {"PATH": str(web.parent / "bin")}, host)
        return explain(Match(kind, **about), scene)  # type: ignore[arg-type]

    return says


def test_every_kind_that_is_recognised_is_explained() -> None:
    assert set(remedy._EXPLAIN) | {Kind.NOT_INSTALLED} == set(Kind)


# ports


def test_a_port_is_named_with_its_holder_and_no_hope_is_lost(says: Explain, host: FakeHost) -> None:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(host.wall()))
    holder = host.machine.start(Program(listens=(Listen(9229),)), "node --inspect other.js", cwd="/other")
    host.advance(1)
    cause = says(Kind.PORT_IN_USE, port=9229)
    who = f"pid {holder.pid} (`node --inspect other.js`) in /other, running since {since}"
    said = f"port 9229 is in use by {who}"
    assert cause.words == f"{said}; `procman free 9229` ends that"
    assert not cause.hopeless


def test_a_port_that_is_free_by_now_is_said_to_be(says: Explain) -> None:
    assert says(Kind.PORT_IN_USE, port=9229).words == "port 9229 was in use, and nobody holds it any more"
    assert says(Kind.PORT_IN_USE, subject="/tmp/a.sock").words == "`/tmp/a.sock` is in use"


def test_a_port_of_which_nothing_can_be_read_was_in_use(says: Explain, host: FakeHost) -> None:
    host.machine.readable = False
    assert says(Kind.PORT_IN_USE, port=9229).words == "port 9229 was in use"


def test_an_app_that_does_not_use_its_own_port_is_told_so(web: Path, host: FakeHost) -> None:
    host.machine.start(Program(listens=(Listen(3000),)), "node server.js")
    host.advance(1)
    scene = Scene(AppConfig("web", Command(("a",)), cwd=str(web), port=5173), web.parent, {}, host)
    cause = explain(Match(Kind.PORT_IN_USE, port=3000), scene)
    assert cause.remedy == "`procman free 3000` ends that, or let the app listen on its own `port`, 5173"


def test_another_next_server_is_named(says: Explain, web: Path) -> None:
    cause = says(Kind.OTHER_NEXT, file=str(web), pid=7, subject="http://localhost:3000")
    assert (
        cause.words
        == "another `next dev` is running in web (pid 7, http://localhost:3000); `kill 7` ends that"
    )
    assert says(Kind.OTHER_NEXT).words == "another `next dev` is running; end that first"
    assert not cause.hopeless


# package.json


@pytest.mark.parametrize(
    ("scripts", "remedy"),
    [
        ({"dev": "", "start": ""}, "did you mean `dev`?"),
        ({"start": "", "test": ""}, "it has `start`, `test`"),
        (dict.fromkeys(("a", "b", "c", "d", "e", "f"), ""), "it has `a`, `b`, `c`, `d`, `e`, …"),
        ({}, "it has no `scripts`"),
    ],
)
def test_a_script_that_is_missing_has_a_likely_one(
    says: Explain, web: Path, scripts: dict[str, str], remedy: str
) -> None:
    lay(web, package__json={"scripts": scripts})
    cause = says(Kind.MISSING_SCRIPT, subject="dve")
    assert cause.words == f"there is no script `dve` in web/package.json; {remedy}"
    assert cause.hopeless
    assert cause.files == (str(web / "package.json"),)


def test_a_script_that_is_there_by_now_gives_hope(says: Explain, web: Path) -> None:
    lay(web, package__json={"scripts": {"dve": ""}})
    assert not says(Kind.MISSING_SCRIPT, subject="dve").hopeless


@pytest.mark.parametrize(
    "command", ["npm --prefix inner run dve", "yarn --cwd=inner dve", "pnpm -C inner dve"]
)
def test_a_script_is_looked_for_where_the_command_says(says: Explain, web: Path, command: str) -> None:
    lay(web, inner_in_package__json={"scripts": {"dev": ""}}, package__json={"scripts": {"dve": ""}})
    cause = says(Kind.MISSING_SCRIPT, command=command, subject="dve")
    assert cause.words == "there is no script `dve` in web/inner/package.json; did you mean `dev`?"


def test_a_command_that_yarn_takes_for_a_script_is_not_installed(says: Explain, web: Path) -> None:
    lay(web, package__json={"devDependencies": {"vite": "8"}}, yarn__lock="")
    cause = says(Kind.MISSING_SCRIPT, command="yarn vite", subject="vite")
    assert cause.kind == "missing node_modules"
    assert (
        cause.words == "`vite` is not installed: there is no node_modules in web; run `yarn install` in web"
    )


def test_a_package_json_that_is_missing_may_be_one_folder_below(says: Explain, web: Path) -> None:
    assert says(Kind.NO_PACKAGE).words == "there is no web/package.json; is its `cwd` right?"
    lay(web, client_in_package__json={})
    cause = says(Kind.NO_PACKAGE, file=str(web))
    assert cause.words == "there is no web/package.json; there is one in web/client: is that its `cwd`?"
    lay(web, package__json={})
    assert not says(Kind.NO_PACKAGE).hopeless


def test_a_broken_package_json_says_where(says: Explain, web: Path) -> None:
    lay(web, package__json='{\n  "scripts" {}\n}')
    cause = says(Kind.BROKEN_PACKAGE)
    assert cause.words == "web/package.json is not valid JSON: line 2, column 13: Expecting ':' delimiter"
    assert cause.hopeless
    lay(web, package__json="{}")
    assert not says(Kind.BROKEN_PACKAGE).hopeless


def test_a_lock_file_that_does_not_fit_is_renewed_by_its_own_tool(says: Explain, web: Path) -> None:
    lay(web, package__json={})
    assert says(Kind.STALE_LOCK).words == "there is no lock file in web; run `npm install` in web"
    lay(web, pnpm_lock__yaml="")
    (web / "pnpm_lock.yaml").rename(web / "pnpm-lock.yaml")
    cause = says(Kind.STALE_LOCK, subject="a@1")
    said = "web/pnpm-lock.yaml does not fit package.json: a@1 is not in it"
    assert cause.words == f"{said}; run `pnpm install --no-frozen-lockfile` in web"
    assert cause.files == (str(web / "package.json"), str(web / "pnpm-lock.yaml"))


def test_a_lock_file_that_only_npm_ci_refuses_is_not_renewed(says: Explain, web: Path) -> None:
    lay(web, package__json={"devDependencies": {"vite": "8"}})
    entries = {
        "": {"devDependencies": {"vite": "8"}},
        "node_modules/vite": {"optionalDependencies": {"napi": "1"}},
    }
    (web / "package-lock.json").write_text(json.dumps({"packages": entries}))
    said = "`npm ci` refuses web/package-lock.json: it has no `napi`, an optional package"
    assert says(Kind.STALE_LOCK, subject="napi@").words == f"{said}; run `npm install` in web"
    cause = says(Kind.STALE_LOCK, subject="napi@", prepare=Command(("npm", "ci")))
    assert cause.words == f'{said}; with `prepare = "npm install"` it is left out'
    assert cause.files[:2] == (str(web / "package.json"), str(web / "package-lock.json"))
    assert says(Kind.MISSING_MODULE, subject="vite").words.endswith("run `npm install` in web")


# packages


@pytest.mark.parametrize(
    ("lock", "command"),
    [
        ("package-lock.json", "npm ci"),
        ("npm-shrinkwrap.json", "npm ci"),
        ("pnpm-lock.yaml", "pnpm install"),
        ("yarn.lock", "yarn install"),
        ("bun.lock", "bun install"),
        ("README", "npm install"),
    ],
)
def test_what_was_never_installed_is_by_the_lock_file(
    says: Explain, web: Path, lock: str, command: str
) -> None:
    lay(web, package__json={"devDependencies": {"vite": "8"}})
    (web / lock).touch()
    for kind, name in ((Kind.NO_COMMAND, "vite"), (Kind.MISSING_MODULE, "vite/client")):
        cause = says(kind, subject=name)
        assert cause.kind == "missing node_modules"
        assert (
            cause.words == f"`vite` is not installed: there is no node_modules in web; run `{command}` in web"
        )
        assert {str(web / "node_modules"), str(web / "package.json")} <= set(cause.files)


def test_the_packages_of_a_workspace_are_installed_at_its_top(
    says: Explain, tmp_path: Path, web: Path
) -> None:
    lay(tmp_path, package__json={"workspaces": ["web"]}, package_lock__json={})
    (tmp_path / "package_lock.json").rename(tmp_path / "package-lock.json")
    lay(web, package__json={"dependencies": {"vite": "8"}})
    cause = says(Kind.NO_COMMAND, subject="vite")
    assert cause.words == "`vite` is not installed: there is no node_modules; run `npm ci`"
    (tmp_path / "node_modules").mkdir()
    assert says(Kind.NO_COMMAND, subject="vite").words == (
        "`vite` is in web/package.json, but not installed; run `npm install`"
    )
    lay(tmp_path, node_modules_in_vite_in_index__js="")
    assert not says(Kind.MISSING_MODULE, subject="vite").hopeless


def test_a_package_is_not_there_for_one_of_several_reasons(says: Explain, web: Path) -> None:
    lay(web, package__json={"dependencies": {"express": "5"}}, node_modules_in_a_in_package__json={})
    (web / "src").mkdir()
    source = str(web / "server.js")
    asked = says(Kind.MISSING_MODULE, subject="express", file=source)
    assert asked.words == "`express` is in web/package.json, but not installed; run `npm install` in web"
    unasked = says(Kind.MISSING_MODULE, subject="@scope/kit/sub.js", file=source)
    said = "there is no package `@scope/kit`, which web/server.js asks for"
    assert unasked.words == f"{said}; run `npm install @scope/kit` in web"
    assert {source, str(web / "node_modules/@scope/kit")} <= set(unasked.files)
    path = says(Kind.MISSING_MODULE, subject="src/app.module", file=source)
    assert path.sentence == (
        "`src/app.module` is no package, which web/server.js asks for: node takes no path without `./`"
    )
    there = says(Kind.MISSING_MODULE, subject="a", file=source)
    assert not there.hopeless


def test_what_another_package_asks_for_is_the_folders_own_matter(says: Explain, web: Path) -> None:
    lay(web, package__json={"dependencies": {"express": "5"}}, node_modules_in_a_in_index__js="")
    cause = says(Kind.MISSING_MODULE, subject="b", file=str(web / "node_modules/a/index.js"))
    assert cause.words == "there is no package `b`; run `npm install b` in web"


def test_the_copy_that_vite_makes_of_its_configuration_is_not_named(says: Explain, web: Path) -> None:
    lay(web, package__json={}, node_modules_in_a="")
    copy = str(web / "node_modules/.vite-temp/vite.config.ts.timestamp-1-a.mjs")
    cause = says(Kind.MISSING_MODULE, subject="plugin", file=copy)
    assert cause.sentence == "there is no package `plugin`, which web/vite.config.ts asks for"


def test_a_part_for_this_machine_is_installed_anew(says: Explain, web: Path) -> None:
    lay(web, package__json={}, package_lock__json="{}")
    (web / "package_lock.json").rename(web / "package-lock.json")
    cause = says(Kind.MISSING_MODULE, subject="@rollup/rollup-linux-x64-gnu", lacks="optional")
    said = "the part of `@rollup/rollup-linux-x64-gnu` for this machine is not installed"
    assert cause.words == f"{said}; remove node_modules and package-lock.json, and run `npm install` in web"


@pytest.mark.parametrize(
    ("specifier", "name"), [("a", "a"), ("a/b/c.js", "a"), ("@a/b", "@a/b"), ("@a/b/c", "@a/b")]
)
def test_a_module_belongs_to_a_package(specifier: str, name: str) -> None:
    assert package_name(specifier) == name


def test_a_package_is_installed_by_what_its_workspace_declares(web: Path) -> None:
    lay(web, package__json={})
    lay(web.parent, package__json={"packageManager": "pnpm@9.1.0", "workspaces": ["*"]})
    assert Package(web).manager.name == "pnpm"
    lay(web.parent, package__json={"workspaces": ["*"]}, yarn__lock="")
    assert Package(web).manager.name == "yarn"


@pytest.mark.parametrize("document", ["[]", "no", '{"scripts": [], "dependencies": 1, "packageManager": 1}'])
def test_a_package_json_that_is_none_has_nothing(web: Path, document: str) -> None:
    lay(web, package__json=document)
    package = Package(web)
    assert (package.scripts, package.dependencies, package.manager.name) == ((), frozenset(), "npm")


# files and commands


def test_a_file_that_is_missing_has_a_likely_one(says: Explain, web: Path) -> None:
    lay(web, lib_in_Util__js="", server__js="", package__json={})
    source = str(web / "server.js")
    cause = says(Kind.MISSING_FILE, subject="./lib/util.js", file=source)
    said = "there is no web/lib/util.js, which web/server.js asks for"
    assert cause.words == f"{said}; did you mean web/lib/Util.js?"
    assert {str(web / "lib/util.js"), source} <= set(cause.files)


def test_require_adds_an_extension_and_import_does_not(says: Explain, web: Path) -> None:
    lay(web, lib_in_util__js="", package__json={})
    source = str(web / "server.js")
    assert not says(Kind.MISSING_FILE, subject="./lib/util", file=source).hopeless
    cause = says(Kind.MISSING_FILE, subject=str(web / "lib/util"), file=source, wanted="import")
    assert cause.hopeless
    assert cause.remedy == "did you mean web/lib/util.js?"


def test_what_a_build_makes_is_built(says: Explain, web: Path) -> None:
    lay(web, package__json={"scripts": {"build": "tsc"}})
    cause = says(Kind.MISSING_FILE, subject=str(web / "dist/main"))
    assert cause.words == "there is no web/dist/main; run `npm run build` in web"


def test_a_package_that_lacks_a_file_is_installed_anew(says: Explain, web: Path) -> None:
    lay(web, package__json={}, node_modules_in_a_in_package__json={})
    inside = str(web / "node_modules/@a/b/index.js")
    for about in ({"subject": inside}, {"subject": "./native.node", "file": inside}):
        cause = says(Kind.MISSING_FILE, **about)
        assert cause.kind == "missing module"
        assert cause.words == "the package `@a/b` is not installed completely; run `npm install` in web"


def test_a_command_may_be_nowhere(says: Explain, web: Path) -> None:
    cause = says(Kind.NO_COMMAND, subject="python9")
    assert cause.words == "there is no command `python9`, not on the PATH; install what has it"
    assert str(web.parent / "bin/python9") in cause.files
    lay(web, package__json={})
    cause = says(Kind.NO_COMMAND, subject="ng")
    assert cause.sentence == "there is no command `ng`, neither in node_modules/.bin nor on the PATH"
    lay(web.parent, bin_in_ng="")
    assert not says(Kind.NO_COMMAND, subject="ng").hopeless


def test_a_command_that_is_a_path_leads_nowhere_or_to_no_program(says: Explain, web: Path) -> None:
    assert says(Kind.NO_COMMAND, subject="./serve.sh").words == "there is no web/serve.sh"
    lay(web, serve__sh="#!/no/such/shell\n")
    cause = says(Kind.NO_COMMAND, subject="./serve.sh")
    assert cause.words == "web/serve.sh can't be run: the program that its first line names is not there"
    lay(web, package__json={"dependencies": {"vite": "8"}})
    cause = says(Kind.NO_COMMAND, subject="node_modules/.bin/vite")
    assert cause.words == "`vite` is not installed: there is no node_modules in web; run `npm install` in web"


def test_a_folder_that_is_missing_is_waited_for(says: Explain, web: Path) -> None:
    cause = says(Kind.MISSING_FOLDER)
    assert (cause.sentence, cause.files) == ("its `cwd` web is not there", (str(web),))


# node


def test_a_node_that_does_not_fit_is_compared_with_the_one_that_would(says: Explain, web: Path) -> None:
    again = "then `procman down` and `procman up`, for apps get the PATH that those have"
    cause = says(Kind.WRONG_NODE, subject="Astro", wanted=">=22.12.0", found="v20.20.2")
    said = "Astro needs node >=22.12.0, and this is v20.20.2"
    assert cause.words == f"{said}; switch to one that fits, {again}"
    lay(web, package__json={})
    (web / ".nvmrc").touch()
    assert says(Kind.WRONG_NODE, lacks="node:sqlite", found="v20.20.2").words == (
        f"this node, v20.20.2, has no `node:sqlite`; switch to that of .nvmrc, {again}"
    )
    cause = says(Kind.WRONG_NODE, lacks="styleText", subject="node:util")
    assert cause.sentence == "this node has no `styleText` in `node:util`"
    assert says(Kind.WRONG_NODE, found="v20.20.2").sentence == "a package does not accept this node, v20.20.2"
    assert {str(web / ".nvmrc"), str(web / "package.json")} <= set(cause.files)


def test_the_node_that_is_run_is_waited_for_too(says: Explain, web: Path) -> None:
    lay(web.parent, bin_in_node="")
    assert str(web.parent / "bin/node") in says(Kind.WRONG_NODE, subject="Astro", wanted=">=22").files


def test_an_addon_of_another_node_is_built_anew(says: Explain, web: Path) -> None:
    lay(web, package__json={})
    file = str(web / "node_modules/sqlite/build/sqlite.node")
    cause = says(Kind.FOREIGN_ADDON, file=file, found="108", wanted="115")
    said = (
        "web/node_modules/sqlite/build/sqlite.node was built for another node: its interface has version 108"
    )
    assert cause.words == f"{said}, this node's 115; run `npm rebuild` in web"
    assert file in cause.files


def test_an_addon_that_is_not_named_is_told_without_its_name(says: Explain, web: Path) -> None:
    lay(web, package__json={})
    assert says(Kind.FOREIGN_ADDON).words == (
        "a native module was built for another node; run `npm rebuild` in web"
    )


def test_what_openssl_refuses_is_allowed_by_an_option(says: Explain) -> None:
    assert "--openssl-legacy-provider" in says(Kind.OLD_OPENSSL).words


@pytest.mark.parametrize(
    ("about", "words"),
    [
        (
            {"subject": "import", "file": "server.js", "found": "CommonJS"},
            "web/server.js uses `import`, but is loaded as CommonJS; "
            'rename it to .mjs, or put `"type": "module"` into web/package.json',
        ),
        (
            {"subject": "import", "file": "server.cjs", "found": "CommonJS"},
            "web/server.cjs uses `import`, but is loaded as CommonJS; rename it to .mjs",
        ),
        (
            {"subject": "require", "file": "server.js", "found": "an ES module"},
            "web/server.js uses `require`, but is loaded as an ES module; "
            'rename it to .cjs, or take `"type": "module"` out of web/package.json',
        ),
        (
            {"subject": "require", "file": "server.mjs", "found": "an ES module"},
            "web/server.mjs uses `require`, but is loaded as an ES module; rename it to .cjs",
        ),
        (
            {"subject": "/modules/kit.js", "file": "server.js", "wanted": "require"},
            "web/server.js requires /modules/kit.js, which is an ES module; "
            "use `await import()`, or a version of it that is CommonJS",
        ),
        (
            {"subject": "./kit.cjs", "file": "server.js", "wanted": "names"},
            "web/server.js imports names from ./kit.cjs, which is CommonJS and does not tell them; "
            "import it as a whole, and take them from that",
        ),
        (
            {"subject": "/lib", "file": "server.js", "wanted": "folder"},
            "web/server.js imports the folder /lib; import a file, as /lib/index.js",
        ),
    ],
)
def test_a_file_is_loaded_as_what_it_is_not(
    says: Explain, web: Path, about: dict[str, str], words: str
) -> None:
    lay(web, package__json={})
    file = str(web / about["file"])
    cause = says(Kind.MODULE_SYSTEM, **{**about, "file": file})
    assert cause.words == words
    assert {file, str(web / "package.json")} <= set(cause.files)


# the machine


def test_a_full_heap_is_no_lost_hope(says: Explain) -> None:
    cause = says(Kind.OUT_OF_HEAP, found="2048")
    assert cause.sentence == "node ran out of heap at 2048 MB"
    assert not cause.hopeless
    assert says(Kind.OUT_OF_HEAP, subject="worker").sentence == "a worker thread ran out of heap"


def test_a_limit_is_named_with_its_value(
    says: Explain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remedy, "LIMITS", tmp_path)
    (tmp_path / "max_user_watches").write_text("8192\n")
    assert says(Kind.WATCH_LIMIT, lacks="max_user_watches").words == (
        "the limit of watched files is reached, `fs.inotify.max_user_watches` is 8192; "
        "`sudo sysctl fs.inotify.max_user_watches=524288` raises it"
    )
    assert says(Kind.WATCH_LIMIT, lacks="max_user_instances").words == (
        "the limit of file watchers is reached; `sudo sysctl fs.inotify.max_user_instances=1024` raises it"
    )


def test_a_permission_is_missing_for_a_port_a_program_or_a_file(says: Explain, web: Path) -> None:
    cause = says(Kind.PERMISSION, port=80)
    assert cause.sentence == "it may not listen on port 80: one below 1024 is for root only"
    assert "`sudo sysctl net.ipv4.ip_unprivileged_port_start=80`" in cause.words
    lay(web, dev__sh="")
    cause = says(Kind.PERMISSION, file="./dev.sh", wanted="execute")
    assert cause.words == "web/dev.sh is not executable; `chmod +x web/dev.sh` makes it so"
    assert says(Kind.PERMISSION, file=".", wanted="execute").words == "web is no program"
    cause = says(Kind.PERMISSION, file=str(web / "cache/x"), wanted="open")
    assert cause.sentence == f"it may not `open` web/cache/x: web belongs to {web.owner()}"
    assert cause.files == (str(web / "cache/x"), str(web))


def test_a_path_outside_of_the_project_is_shown_whole(says: Explain) -> None:
    cause = says(Kind.PERMISSION, file="/etc/x", wanted="mkdir")
    assert cause.sentence.startswith("it may not `mkdir` /etc/x: /etc belongs to ")


def test_a_project_behind_a_link_is_the_same_project(tmp_path: Path, host: FakeHost) -> None:
    (tmp_path / "real/web").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    project = tmp_path / "link"
    scene = Scene(AppConfig("web", Command(("a",)), cwd=str(project / "web")), project, {}, host)
    cause = explain(Match(Kind.MISSING_FILE, subject=os.path.realpath(project / "web/server.js")), scene)
    assert cause.sentence == "there is no web/server.js"
