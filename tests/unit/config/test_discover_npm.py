"""npm projects: which script is the app, where it listens, how it is told, and what installs its packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from procman.config.discover.draft import draft
from procman.config.discover.findings import App
from procman.config.discover.look import discover
from procman.config.npm_lock import left_out
from procman.config.read import parse_config
from procman.config.source import Source
from procman.core.config import Config, Restart
from tests.fakes.files import Files, lay, package


def look(folder: Path, files: Files) -> dict[str, App]:
    """Return the apps of a folder with these files, of which a valid file was made."""
    discovery = discover(lay(folder / "shop", files))
    if discovery.apps:
        read(folder, draft(discovery))
    return {app.name: app for app in discovery.apps}


def read(folder: Path, text: str) -> Config:
    """Return what a file says."""
    return parse_config(Source(str(folder / "shop" / "portwatch.toml"), "portwatch.toml", text, ""))


def the_app(folder: Path, files: Files) -> App:
    """Return the only app."""
    (app,) = look(folder, files).values()
    return app


STRICT = "--port {port} --strictPort"

# script | what it is | its port | what its command gets
FRAMEWORKS = """
vite                                          | Vite                | 5173 | --port {port} --strictPort
vite dev                                      | Vite                | 5173 | --port {port} --strictPort
vite --port 3001                              | Vite                | 3001 | --strictPort
vite --port=3001 --strictPort                 | Vite                | 3001 |
vite preview                                  | Vite's preview      | 4173 | --port {port} --strictPort
vite; echo done                               | Vite                | 5173 |
tsc && vite                                   | Vite                | 5173 | --port {port} --strictPort
next                                          | Next                | 3000 |
next dev --turbo                              | Next                | 3000 |
next dev -p 4000                              | Next                | 4000 |
next dev -p ${PORT:-4001}                     | Next                | 4001 |
PORT=4002 next                                | Next                | 4002 |
cross-env NODE_ENV=test PORT=4003 next dev    | Next                | 4003 |
dotenv -e .env.local -- next dev              | Next                | 3000 |
node --inspect node_modules/next/dist/bin dev | Next                | 3000 |
npx --yes next dev                            | Next                | 3000 |
npm exec -- next dev                          | Next                | 3000 |
bun --bun next dev                            | Next                | 3000 |
nuxt dev                                      | Nuxt                | 3000 |
astro dev                                     | Astro               | 4321 | --port {port}
ng serve                                      | Angular             | 4200 | --port {port}
react-scripts start                           | Create React App    | 3000 |
webpack serve --mode development              | webpack-dev-server  | 8080 | --port {port}
webpack-dev-server                            | webpack-dev-server  | 8080 | --port {port}
react-router dev                              | React Router        | 5173 | --port {port} --strictPort
remix vite:dev                                | Remix               | 5173 | --port {port} --strictPort
remix dev                                     | Remix               | 3000 |
remix-serve build/index.js                    | Remix               | 3000 |
storybook dev -p 6007                         | Storybook           | 6007 | --ci
start-storybook                               | Storybook           | 6006 | -p {port} --ci
http-server                                   | http-server         | 8080 |
http-server public -p 8081                    | http-server         | 8081 |
serve dist                                    | serve               | 3000 | --no-port-switching
serve -s dist -l tcp://0.0.0.0:5000           | serve               | 5000 | --no-port-switching
json-server --watch db.json                   | json-server         | 3000 | --port {port}
json-server db.json -p3005                    | json-server         | 3005 |
gatsby develop                                | Gatsby              | 8000 | --port {port}
eleventy --serve                              | Eleventy            | 8080 | --port={port}
parcel index.html                             | Parcel              | 1234 | --port {port}
expo start                                    | Expo                | 8081 | --port {port}
vue-cli-service serve                         | Vue CLI             | 8080 |
docusaurus start                              | Docusaurus          | 3000 | --port {port} --no-open
vitepress dev docs                            | VitePress           | 5173 | --port {port} --strictPort
my-server --port 4500                         | my-server           | 4500 |
my-server                                     | my-server           |      |
"""


@pytest.mark.parametrize("line", FRAMEWORKS.strip().splitlines(), ids=lambda line: line.split("|")[0].strip())
def test_a_framework_is_told_its_port_the_way_it_takes_one(tmp_path: Path, line: str) -> None:
    script, what, port, arguments = (part.strip() for part in line.split("|"))
    app = the_app(tmp_path, {"package.json": package({"dev": script})})
    assert (app.found.what, str(app.port or "")) == (what, port)
    assert app.found.command == ("npm run dev -- " + arguments).removesuffix(" -- ")


# script | the file that says the port | what it says | the port
CONFIGURED = """
vite                 | vite.config.ts | export default { server: { port: 4321 } } | 4321
vite                 | vite.config.js | const server = { port: 4322 }; export default { server } | 4322
vite                 | vite.config.mjs | const port = 4323; export default { server: { port } } | 4323
vite                 | vite.config.js | export default { server: { hmr: { port: 99 } } } | 5173
vite                 | vite.config.js | /* server: { port: 99 } */ export default {} | 5173
vite                 | vite.config.js | export default { server: makeServer(99) } | 5173
vite                 | vite.config.js | const own = { port: 4325 }; export default { server: own } | 4325
vite                 | vite.config.js | export default { server: own } | 5173
vite                 | vite.config.js | x({ server: { ...own, open() { return 1 }, port: 4326 } }) | 4326
vite                 | vite.config.js | x({ server: { port: env.VITE_PORT } }) | 5173
vite --config a.js   | a.js           | x = { server: { port: Number(env.PORT) || 88 } } | 88
vite -c a.js         | a.js           | export default {} | 5173
vite app             | app/vite.config.js | x({ server: { port: 4324 } }) | 4324
vite preview         | vite.config.js | x = { preview: { port: 4000 }, server: { port: 1000 } } | 4000
nuxt dev             | nuxt.config.ts | defineNuxtConfig({ devServer: { port: 3300 } }) | 3300
nuxi dev             | .env           | PORT=3301 | 3301
astro dev            | astro.config.mjs | x({ server: { host: true, port: 1234 } }) | 1234
craco start          | .env.local     | PORT="3101" # mine | 3101
webpack serve        | webpack.config.js | module.exports = { devServer: { 'port': 9000 } } | 9000
webpack serve -c b   | b              | module.exports = { devServer: { port: '9001' } } | 9001
json-server a.json   | json-server.json | { "port": 3004 } | 3004
vue-cli-service      | vue.config.js  | module.exports = { devServer: { port: 8085 } } | 8085
vitepress dev docs   | docs/.vitepress/config.ts | x({ vite: { server: { port: 5555 } } }) | 5555
"""


@pytest.mark.parametrize("line", CONFIGURED.strip().splitlines(), ids=lambda line: line.split("|")[0].strip())
def test_the_port_is_the_one_of_the_configuration(tmp_path: Path, line: str) -> None:
    script, path, text, port = (part.strip() for part in line.split(" | "))
    app = the_app(tmp_path, {"package.json": package({"dev": script}), path: text})
    assert app.port == int(port)


@pytest.mark.parametrize(
    ("scripts", "chosen"),
    [
        ({"build": "vite build", "dev": "vite", "start": "vite preview"}, "dev"),
        ({"test": "jest", "start": "react-scripts start"}, "start"),
        ({"start": "node dist/index.js", "dev": "tsc --watch"}, "start"),
        ({"start": "nest start", "start:dev": "nest start --watch"}, "start:dev"),
        ({"serve": "vue-cli-service serve", "build": "vue-cli-service build"}, "serve"),
        ({"develop": "gatsby develop", "start": "npm run develop"}, "develop"),
        ({"storybook": "storybook dev"}, "storybook"),
        ({"start": "npm run dev:web", "dev:web": "vite"}, "dev:web"),
        ({"start": "node --run web", "web": "vite"}, "web"),
        ({"start": "npm run -s web", "web": "vite"}, "web"),
        ({"start": "npm run start"}, "start"),
        ({"start": "tsc && npm run serve", "serve": "tsc && npm run start"}, "start"),
        ({"dev": "tsup --watch", "build": "tsup"}, "dev"),
    ],
)
def test_the_script_that_serves_is_the_app(tmp_path: Path, scripts: dict[str, str], chosen: str) -> None:
    app = the_app(tmp_path, {"package.json": package(scripts)})
    assert app.found.source == f"script `{chosen}` of package.json"


@pytest.mark.parametrize(
    "scripts",
    [{}, {"build": "vite build", "test": "jest"}, {"dev": "tsc"}, {"start": "echo hello"}, {"dev": " "}],
)
def test_scripts_that_build_and_end_are_no_apps(tmp_path: Path, scripts: dict[str, str]) -> None:
    assert look(tmp_path, {"package.json": package(scripts)}) == {}


def test_without_scripts_a_server_js_is_what_npm_would_start(tmp_path: Path) -> None:
    files = {"package.json": package({"test": "jest"}), "server.js": "app.listen(3000)"}
    app = the_app(tmp_path, files)
    assert (app.found.command, app.port) == ("node server.js", 3000)


# script | the file that is read | what it says | the port
PROGRAMS = """
node server.js       | server.js      | app.listen(process.env.PORT || 4000) | 4000
node server          | server.js      | const port = process.env.PORT ?? '4001'; app.listen(port, f) | 4001
node .               | index.js       | const { PORT = 4002 } = process.env; server.listen(PORT) | 4002
node ./bin/www       | bin/www        | var port = normal(process.env.PORT || '4003'); x.listen(port) | 4003
nodemon -r dotenv/config src | src/index.js   | app.listen({ port: 4004, host: '::' }) | 4004
nodemon --watch src -x 'ts-node a/b.ts' | a/b.ts         | app.listen(4005) | 4005
node dist/main.js    | src/main.ts    | serve({ fetch: app.fetch, port: 4007 }) | 4007
node a.js            | a.js           | Hapi.server({ port: parseInt(process.env.PORT, 10) || 4008 }) | 4008
node a.js            | a.js           | app.set('port', env.PORT || 4009); x.listen(app.get('port')) | 4009
node a.js            | a.js           | app.listen(process.env.PORT) | 3000
node a.js            | a.js           | /* x.listen(1000) */ url = 'http://x'; x.listen(4010) | 4010
node a.js            | a.js           | serve({ fetch }); export default { x }; run(process.env.PORT) | 3000
bun --hot src/a.ts   | src/a.ts       | export default { port: 4014, fetch } | 4014
nest start --watch   | src/main.ts    | await app.listen(process.env.PORT ?? 4015) | 4015
PORT=4016 node a.js  | a.js           | app.listen(process.env.PORT) | 4016
PORT=4017 node a.js  | a.js           | run(app) | 4017
node a.js            | a.js           | setInterval(work, 1000) | None
node gone.js         | a.js           | app.listen(1000) | None
node a.js            | a.js           | const a = b; const b = a; x.listen(a) | None
"""


@pytest.mark.parametrize("line", PROGRAMS.strip().splitlines(), ids=lambda line: line.split("|")[0].strip())
def test_the_port_of_a_program_is_read_from_its_file(tmp_path: Path, line: str) -> None:
    script, path, text, port = (part.strip() for part in line.split(" | "))
    app = the_app(tmp_path, {"package.json": package({"start": script}, ["express"]), path: text})
    assert (str(app.port), app.found.env, app.found.command) == (port, {}, "npm run start")


def test_the_port_of_a_program_may_stand_in_a_file_that_it_imports(tmp_path: Path) -> None:
    files = {
        "package.json": package({"dev": "tsx watch src/a.ts"}),
        "src/a.ts": "import { settings } from './settings.js'\nx.listen(settings.port)",
        "src/settings.ts": "import './deeper'\nimport './gone'\nexport const settings = { port: readPort() }",
        "src/deeper/index.ts": "export const readPort = () => Number(process.env.PORT ?? 4006)",
    }
    app = the_app(tmp_path, files)
    assert (app.port, app.port_reason) == (4006, "src/a.ts, line 2, takes `$PORT`")


@pytest.mark.parametrize(
    ("env_file", "port"), [("", 4010), ("API_PORT=4011\n", 4011), ("API_PORT='\n", 4010)]
)
def test_a_program_that_takes_another_variable_gets_its_port_there(
    tmp_path: Path, env_file: str, port: int
) -> None:
    files = {"a.js": "app.listen(process.env.API_PORT || 4010)", ".env": env_file}
    app = the_app(tmp_path, {"package.json": package({"start": "node a.js"}), **files})
    assert (app.port, app.found.env) == (port, {"API_PORT": "${PORT}"})


def test_the_variable_of_a_configuration_is_looked_up(tmp_path: Path) -> None:
    files = {
        "vite.config.js": "x({ server: { port: +env.VITE_PORT } })",
        ".env.development": "VITE_PORT=4400",
    }
    app = the_app(tmp_path, {"package.json": package({"dev": "vite"}), **files})
    assert (app.port, app.port_reason) == (4400, "`VITE_PORT` in .env.development")


def test_nest_says_in_nest_cli_json_where_its_sources_are(tmp_path: Path) -> None:
    files = {"nest-cli.json": '{ "sourceRoot": "api" }', "api/main.ts": "app.listen(4016)"}
    app = the_app(tmp_path, {"package.json": package({"start": "nest start"}, ["@nestjs/core"]), **files})
    assert (app.port, app.found.what, app.found.start_timeout) == (4016, "NestJS", "3m")


def test_angular_says_its_port_in_angular_json(tmp_path: Path) -> None:
    serve = {
        "options": {"port": 4300},
        "configurations": {"dev": {"port": 4301}},
        "defaultConfiguration": "dev",
    }
    projects = {"lib": {}, "admin": {"targets": {"serve": {"options": {"port": 4400}}}}}
    projects["shop"] = {"architect": {"serve": serve}}
    text = f"{{ // generated\n {json.dumps({'projects': projects})[1:]}"
    files = {"package.json": package({"start": "ng serve shop"}), "angular.json": text}
    assert the_app(tmp_path, files).port == 4301
    files["package.json"] = package({"start": "ng serve"})
    assert the_app(tmp_path, files).port == 4400
    files["angular.json"] = {"projects": []}
    assert the_app(tmp_path, files).port == 4200
    files["angular.json"] = {"projects": {"shop": {"architect": {"serve": {"builder": "x"}}}}}
    assert the_app(tmp_path, files).port == 4200


MODERN = "# yarn lockfile\n__metadata:\n  version: 8\n"


@pytest.mark.parametrize(
    ("files", "install", "run"),
    [
        ({}, "npm install", "npm run dev -- --port {port} --strictPort"),
        ({"package-lock.json": "{}"}, "npm ci", "npm run dev -- --port {port} --strictPort"),
        ({"npm-shrinkwrap.json": "{}"}, "npm ci", "npm run dev -- --port {port} --strictPort"),
        ({"pnpm-lock.yaml": ""}, "pnpm install --frozen-lockfile", "pnpm run dev --port {port} --strictPort"),
        ({"yarn.lock": "# v1"}, "yarn install --frozen-lockfile", "yarn run dev --port {port} --strictPort"),
        ({"yarn.lock": MODERN}, "yarn install --immutable", "yarn run dev --port {port} --strictPort"),
        (
            {"yarn.lock": "", ".yarnrc.yml": ""},
            "yarn install --immutable",
            "yarn run dev --port {port} --strictPort",
        ),
        ({"bun.lockb": ""}, "bun install --frozen-lockfile", "bun run dev --port {port} --strictPort"),
        ({"bun.lock": ""}, "bun install --frozen-lockfile", "bun run dev --port {port} --strictPort"),
    ],
)
def test_the_lock_file_says_what_installs_and_runs(
    tmp_path: Path, files: Files, install: str, run: str
) -> None:
    app = the_app(tmp_path, {"package.json": package({"dev": "vite"}, ["vite"]), **files})
    assert (app.found.prepare, app.found.command) == (install, run)


def lock(*paths: str, **vite: object) -> str:
    """Return a lock file with Vite, what Vite asks for, and entries of what else was installed."""
    entries = {path: {"version": "1.0.0"} for path in paths}
    root = {"devDependencies": {"vite": "8"}, "optionalDependencies": {}}
    return json.dumps({"packages": {"": root, "node_modules/vite": vite, **entries}})


OPTIONAL = {"optionalDependencies": {"fsevents": "~2.3.3", "@scope/napi": "1"}}
FSEVENTS, NAPI = "node_modules/fsevents", "node_modules/@scope/napi"


@pytest.mark.parametrize(
    ("text", "install"),
    [
        (lock(FSEVENTS, NAPI, **OPTIONAL), "npm ci"),
        (lock("node_modules/vite/node_modules/fsevents", NAPI, **OPTIONAL), "npm ci"),
        (lock(FSEVENTS, **OPTIONAL), "npm install"),
        (lock("node_modules/other/node_modules/fsevents", NAPI, **OPTIONAL), "npm install"),
        (lock(FSEVENTS, **OPTIONAL, inBundle=True), "npm ci"),
        (json.dumps({"dependencies": {"vite": OPTIONAL}}), "npm ci"),  # as npm 6 wrote it
        (json.dumps({"packages": {"": {"dependencies": [], "optionalDependencies": "x"}}}), "npm ci"),
        (json.dumps({"packages": {"": {"dependencies": {"vite": ""}}, "node_modules/vite": None}}), "npm ci"),
    ],
)
def test_npm_ci_is_not_chosen_for_a_lock_file_that_it_refuses(
    tmp_path: Path, text: str, install: str
) -> None:
    files = {"package.json": package({"dev": "vite"}, ["vite"]), "package-lock.json": text}
    assert the_app(tmp_path, files).found.prepare == install


def test_npm_ci_looks_at_what_the_root_depends_on_and_not_at_what_only_a_workspace_does() -> None:
    entries: dict[str, dict[str, object]] = {
        "": {"dependencies": {"plugin": "1"}, "workspaces": ["web"]},
        "node_modules/plugin": {"dependencies": {"plugin": "1"}},
        "node_modules/web": {"resolved": "web", "link": True},
        "web": {"devDependencies": {"vite": "8"}},
        "node_modules/vite": OPTIONAL,
    }
    assert left_out({"packages": entries}) is None
    entries[""]["dependencies"] = {"plugin": "1", "web": "*"}
    assert left_out({"packages": entries}) is None
    entries["node_modules/plugin"]["peerDependencies"] = {"vite": "8"}
    assert left_out({"packages": entries}) == "fsevents"


def test_the_file_says_why_npm_ci_was_not_chosen(tmp_path: Path) -> None:
    files = {"package.json": package({"dev": "vite"}, ["vite"]), "package-lock.json": lock(NAPI, **OPTIONAL)}
    remark = the_app(tmp_path, files).found.remarks["prepare"]
    assert remark == "`npm ci` refuses package-lock.json: it has no `fsevents`"


@pytest.mark.parametrize(
    ("declared", "install"),
    [
        ("pnpm@9.1.0", "pnpm install"),
        ("yarn@4.1.0", "yarn install"),
        ("other@1", "npm ci"),
        ("bun", "bun install"),
    ],
)
def test_package_manager_is_what_the_project_declares(tmp_path: Path, declared: str, install: str) -> None:
    manifest = package({"dev": "vite"}, ["vite"], packageManager=declared)
    app = the_app(tmp_path, {"package.json": manifest, "package-lock.json": "{}"})
    assert app.found.prepare == install


def test_nothing_is_installed_where_nothing_is_asked_for(tmp_path: Path) -> None:
    assert the_app(tmp_path, {"package.json": package({"start": "node a.js"})}).found.prepare is None


def test_a_part_of_a_workspace_above_is_not_installed_on_its_own(tmp_path: Path) -> None:
    root = lay(tmp_path / "shop", {"package.json": package({}, workspaces=["apps/*"])})
    lay(root / "apps", {"package.json": package({}, workspaces=["other"])})
    discovery = discover(lay(root / "apps" / "web", {"package.json": WEB}))
    assert discovery.apps[0].found.prepare is None
    assert f"this is a part of the workspace in {root}" in discovery.notes[0]


WEB, API = (
    package({"dev": "vite"}, ["vite"], name="@shop/web"),
    package({"dev": "node a.js"}, name="@shop/api"),
)


@pytest.mark.parametrize(
    "root",
    [
        {"package.json": package({}, workspaces=["apps/*"])},
        {"package.json": package({}, workspaces={"packages": ["./apps/*/"]})},
        {"package.json": package({}), "pnpm-workspace.yaml": "packages:\n  # x\n  - 'apps/*'\ncatalog: {}"},
        {"package.json": package({}), "pnpm-workspace.yaml": 'packages: ["apps/**"]\n'},
        {"package.json": package({"dev": "lerna run dev"}), "lerna.json": {"packages": ["apps/{web,api}"]}},
        {"package.json": package({"dev": "turbo run dev"}, workspaces=["**"])},
        {"package.json": package({"dev": "nx run-many -t dev"}, workspaces=["apps/*"])},
        {"package.json": package({"dev": "pnpm -r dev"}), "pnpm-workspace.yaml": "packages:\n- apps/*"},
        {"package.json": package({"dev": "npm run dev --workspaces"}, workspaces=["apps/*"])},
        {"package.json": package({"dev": "run-p dev:*", "dev:a": "npm run dev -w @shop/api",
                                  "dev:w": "npm run dev --workspace=apps/web"}, workspaces=["apps/*"])},
        {"package.json": package({"dev": "conc 'yarn workspace @shop/api dev' 'cd apps/web && yarn dev'"},
                                 workspaces=["apps/*"])},
    ],
)  # fmt: skip
def test_each_workspace_is_an_app_and_one_installation_comes_before_them(tmp_path: Path, root: Files) -> None:
    apps = look(
        tmp_path, {**root, "apps/web/package.json": WEB, "apps/api/package.json": API, "yarn.lock": ""}
    )
    install, *others = apps.values()
    assert (install.name, install.found.cwd, install.found.restart) == ("install", ".", "never")
    assert install.found.prepare == "yarn install --frozen-lockfile"
    assert {app.found.cwd for app in others} == {"apps/api", "apps/web"}
    assert {app.found.prepare for app in others} == {None}
    assert {app.waits_for for app in others} == {("install",)}


def test_the_installation_is_what_the_file_makes_of_it(tmp_path: Path) -> None:
    files = {"package.json": package({}, workspaces=["*"]), "web/package.json": WEB, "api/package.json": API}
    config = read(tmp_path, draft(discover(lay(tmp_path / "shop", files))))
    assert config.apps["install"].restart is Restart.NEVER
    assert [name for name, _ in config.apps["web"].depends_on] == ["install"]


def test_a_member_that_nobody_knows_is_not_taken_for_another(tmp_path: Path) -> None:
    root = package({"dev": "concurrently 'npm run dev -w web' 'npm run dev -w gone'"}, workspaces=["web"])
    assert list(look(tmp_path, {"package.json": root, "web/package.json": WEB})) == ["install", "web"]


def test_what_a_workspace_leaves_out_is_no_app(tmp_path: Path) -> None:
    files = {"package.json": package({}, workspaces=["apps/*", "!apps/old"]), "apps/web/package.json": WEB}
    assert list(look(tmp_path, {**files, "apps/old/package.json": API})) == ["install", "web"]


def test_projects_side_by_side_are_installed_each_on_its_own(tmp_path: Path) -> None:
    apps = look(
        tmp_path,
        {"front/package.json": WEB, "back/package.json": API, "back/yarn.lock": "", "demo/package.json": WEB},
    )
    prepares = {name: app.found.prepare for name, app in apps.items()}
    assert prepares == {"back": "yarn install --frozen-lockfile", "front": "npm install"}


def test_what_concurrently_runs_becomes_an_app_each(tmp_path: Path) -> None:
    scripts = {
        "dev": 'concurrently -n web,,css --kill-others "npm:dev:web" "npm run server" "npx tailwindcss -w"',
        "dev:web": "vite",
        "server": "nodemon api.js",
    }
    apps = look(
        tmp_path, {"package.json": package(scripts, ["vite"]), "api.js": "a.listen(process.env.PORT || 80)"}
    )
    assert list(apps) == ["install", "web", "server", "css"]
    assert [app.port for app in apps.values()] == [None, 5173, 80, None]
    assert apps["css"].found.command == "npx tailwindcss -w"


def test_what_builds_and_ends_beside_an_app_is_none(tmp_path: Path) -> None:
    scripts = {
        "dev": "concurrently 'tsc' \"vite --open 'a page'\" 'npm run types'",
        "types": "tsc && vue-tsc",
    }
    app = the_app(tmp_path, {"package.json": package(scripts)})
    assert app.found.command == ("npx", "vite", "--open", "a page", "--port", "{port}", "--strictPort")


def test_what_a_script_runs_in_the_background_becomes_an_app_each(tmp_path: Path) -> None:
    scripts = {"dev": "vite & PORT=4000 LOG='a b' node 'my api.js' & node 'a|b.js' & wait"}
    apps = look(tmp_path, {"package.json": package(scripts), "my api.js": "a.listen(process.env.PORT)"})
    assert apps["vite"].found.command == "npx vite --port {port} --strictPort"
    assert apps["my-api"].found.command == ("node", "my api.js")
    assert apps["a-b"].found.command == ("node", "a|b.js")
    assert (apps["my-api"].port, apps["my-api"].found.env) == (4000, {"LOG": "a b"})


@pytest.mark.parametrize(
    "script",
    [
        'concurrently "npm run gone" "vite"',
        'concurrently "vite" "echo $HOME"',
        'concurrently "vite" "cd nowhere && npm start"',
        "vite & npm install",
        "run-p dev",
    ],
)
def test_what_cannot_be_taken_apart_is_one_app(tmp_path: Path, script: str) -> None:
    app = the_app(tmp_path, {"package.json": package({"dev": script})})
    assert app.found.command == "npm run dev"


def test_a_script_that_runs_another_is_followed(tmp_path: Path) -> None:
    scripts = {"start": "npm run build && npm run serve", "build": "tsc", "serve": "vite --port 4000"}
    app = the_app(tmp_path, {"package.json": package(scripts)})
    assert (app.found.command, app.port, app.found.what) == ("npm run start", 4000, "Vite")


def test_a_program_that_no_script_is_called_is_run_by_yarn(tmp_path: Path) -> None:
    app = the_app(tmp_path, {"package.json": package({"dev": "yarn vite"}), "yarn.lock": ""})
    assert (app.found.command, app.port) == ("yarn run dev --port {port} --strictPort", 5173)


@pytest.mark.parametrize(
    ("script", "command"),
    [
        ("npm run with-env -- vite --host", "npm run dev -- --port {port} --strictPort"),
        ("npm run with-env -- X=1", "npm run dev"),
        ("npm run with-env vite", "npm run dev"),
    ],
)
def test_a_script_that_runs_what_stands_behind_it_is_seen_through(
    tmp_path: Path, script: str, command: str
) -> None:
    app = the_app(tmp_path, {"package.json": package({"dev": script, "with-env": "dotenv -e ../.env --"})})
    assert app.found.command == command


def test_create_react_app_opens_no_browser_at_each_start(tmp_path: Path) -> None:
    app = the_app(tmp_path, {"package.json": package({"start": "react-scripts start"})})
    assert app.found.env == {"BROWSER": "none"}


def test_a_storybook_beside_the_app_is_mentioned(tmp_path: Path) -> None:
    scripts = {"dev": "next dev", "build": "next build", "start": "next start", "storybook": "storybook dev"}
    app = the_app(tmp_path, {"package.json": package(scripts)})
    assert app.found.also == ("`npm run storybook` (Storybook)",)


@pytest.mark.parametrize(
    ("one", "other", "ports"),
    [
        ("vite", "vite", (5173, 5174)),
        ("vite", "vite --port 5173", (5174, 5173)),
        ("next dev", "node a.js", (3001, 3000)),
        ("next dev -p 4000", "next dev -p 4000", (4000, None)),
        ("vite --port 65535", "node b.js", (65535, None)),
    ],
)
def test_two_apps_never_get_one_port(
    tmp_path: Path, one: str, other: str, ports: tuple[int | None, int | None]
) -> None:
    files = {"b/a.js": "x.listen(process.env.PORT || 3000)", "b/b.js": "x.listen(process.env.PORT || 65535)"}
    apps = look(
        tmp_path,
        {"a/package.json": package({"dev": one}), "b/package.json": package({"dev": other}), **files},
    )
    assert (apps["a"].port, apps["b"].port) == ports


def test_the_file_says_why_an_app_has_another_port(tmp_path: Path) -> None:
    fixed = package({"dev": "next dev -p 4000"})
    text = draft(discover(lay(tmp_path, {f"{name}/package.json": fixed for name in "ab"})))
    assert "# port: 4000 (the script says so) is that of `a`, and it takes no other\n" in text


def test_names_are_valid_and_unique(tmp_path: Path) -> None:
    manifest = package({"dev": "vite"}, name="@x/ä ö!")
    folders = ["apps/web", "apps/old/web", "packages/web", "..x"]
    files = {f"{folder}/package.json": manifest for folder in folders}
    root = package({"dev": "vite"}, name="web", workspaces=["apps/**", "packages/*"])
    assert list(look(tmp_path, {"package.json": root, **files})) == [
        *("install", "web", "apps-web", "apps-old-web", "packages-web")
    ]


@pytest.mark.parametrize(
    "text",
    ["{", "[]", '"text"', '{"scripts": []}', '{"scripts": {"dev": 3, "a b": "vite"}}', "\ufeff{}", "\0"],
)
def test_a_manifest_that_is_none_has_no_app(tmp_path: Path, text: str) -> None:
    assert look(tmp_path, {"package.json": text}) == {}


def test_a_broken_manifest_is_noted_with_its_line(tmp_path: Path) -> None:
    discovery = discover(lay(tmp_path, {"package.json": '{\n  "scripts": {"dev" "vite"}\n}'}))
    assert discovery.notes == ("`package.json` is no JSON: line 2, Expecting ':' delimiter",)
