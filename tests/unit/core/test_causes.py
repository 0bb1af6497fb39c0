"""What the last lines of a run say: by what the real tools print, and not by what only looks like it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from procman.core.app import Outcome, State
from procman.core.causes import Cause, Kind, Match
from procman.core.config import AppConfig, Check, CheckKind, Command, Restart
from procman.core.events import Probed, Remedied, SpawnFailed, Start
from procman.core.goal import Goal, progress
from procman.core.recognition import recognise
from procman.core.sentences import SENTENCES
from procman.core.verdict import Verdict
from procman.logs.clean import plain
from tests.fakes.world import World

OUTPUTS = Path(__file__).parent / "outputs"
ALIVE = None  # no exit code: it lives, and does not answer


def printed(name: str) -> list[str]:
    """Return what a real tool has printed, as it is read back from a log."""
    return [plain(line) for line in (OUTPUTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()]


def match(kind: Kind, **about: object) -> Match:
    return Match(kind, **about)  # type: ignore[arg-type]


PORT = match(Kind.PORT_IN_USE, port=39000)
DVE = match(Kind.MISSING_SCRIPT, subject="dve")
EMPTY = match(Kind.NO_PACKAGE, file="/project/empty")
BROKEN = match(Kind.BROKEN_PACKAGE, file="/project/plain/broken")
LOCK = match(Kind.STALE_LOCK)
VITE = match(Kind.NO_COMMAND, subject="vite")
EXPRESS = match(Kind.MISSING_MODULE, subject="express")
PLUGIN = match(Kind.MISSING_MODULE, subject="@vitejs/plugin-react")
CONFIG = match(Kind.MISSING_FILE, subject="./nope.js", file="vite.config.js")
NODE_99 = match(Kind.WRONG_NODE, subject="eng@1.0.0", wanted=">=99", found="v20.20.2")
SQLITE = match(Kind.WRONG_NODE, lacks="node:sqlite", found="v20.20.2")
COMMONJS = match(Kind.MODULE_SYSTEM, found="CommonJS")
ES_MODULE = match(Kind.MODULE_SYSTEM, found="an ES module")
REQUIRED = match(Kind.MODULE_SYSTEM, wanted="require")
HEAP = match(Kind.OUT_OF_HEAP, found="30")
WATCHES = match(Kind.WATCH_LIMIT, lacks="max_user_watches")
NAMED = "/project/old/node_modules/.vite-temp/vite.config.js.timestamp-1795459915670-c4929c28bc0ea.mjs"

RECOGNISED: list[tuple[str, int | None, Match]] = [
    ("port-npm", 1, PORT),
    ("port-caught", 1, PORT),
    ("port-caught-message", 1, PORT),
    ("port-pino", 1, PORT),
    ("port-vite6", 1, PORT),
    ("port-vite8", 1, PORT),
    ("port-next", 1, PORT),
    ("port-webpack", 1, PORT),
    ("port-http-server", 1, PORT),
    ("port-cra", 0, PORT),
    ("port-nodemon", ALIVE, PORT),
    ("port-node-watch", ALIVE, PORT),
    ("port-tsx-watch", ALIVE, PORT),
    (
        "next-other",
        1,
        match(Kind.OTHER_NEXT, subject="http://localhost:39010", file="/project/next", pid=24433),
    ),
    ("next-other-16.0", 1, match(Kind.OTHER_NEXT, file="/project/old/n")),
    ("script-npm6", 1, DVE),
    ("script-npm8", 1, DVE),
    ("script-npm11", 1, DVE),
    ("script-npm11-suggests", 1, replace(DVE, subject="vit")),
    ("script-pnpm10", 1, DVE),
    ("script-yarn1", 1, DVE),
    ("script-yarn4", 1, DVE),
    ("no-package-npm", 254, EMPTY),
    ("no-package-pnpm", 1, EMPTY),
    ("no-package-yarn1", 1, EMPTY),
    ("broken-npm", 1, replace(BROKEN, file=None)),
    ("broken-node", 1, BROKEN),
    ("broken-pnpm", 1, BROKEN),
    ("broken-yarn1", 1, BROKEN),
    ("lock-npm-none", 1, LOCK),
    ("lock-npm-out-of-sync", 1, replace(LOCK, subject="dep2@1.0.0")),
    ("lock-pnpm", 1, replace(LOCK, subject="dep2@file:dep2")),
    ("lock-yarn1", 1, LOCK),
    ("lock-yarn4", 1, LOCK),
    ("module-require", 1, replace(EXPRESS, file="/project/plain/cjs.js")),
    ("module-import", 1, replace(EXPRESS, file="/project/plain/esm.mjs")),
    ("module-scoped", 1, replace(EXPRESS, subject="@scope/pkg", file="/project/plain/esmsub.mjs")),
    ("module-nodemon", ALIVE, replace(EXPRESS, subject="nosuchpkg", file="/project/misc/nomod.js")),
    ("module-node-watch", ALIVE, replace(EXPRESS, file="/project/plain/cjs.js")),
    ("module-vite8-config", 1, replace(PLUGIN, file="/project/viteconf/vite.config.js")),
    ("module-vite6-config", 1, replace(PLUGIN, file=NAMED)),
    (
        "module-rollup",
        1,
        match(Kind.MISSING_MODULE, subject="@rollup/rollup-linux-x64-gnu", lacks="optional"),
    ),
    ("module-rolldown", 1, match(Kind.MISSING_MODULE, subject="rolldown", lacks="optional")),
    ("file-require", 1, match(Kind.MISSING_FILE, subject="./lib/missing", file="/project/plain/cjsrel.js")),
    (
        "file-import",
        1,
        match(
            Kind.MISSING_FILE,
            subject="/project/plain/lib/missing.js",
            file="/project/plain/esmrel.mjs",
            wanted="import",
        ),
    ),
    (
        "file-without-extension",
        1,
        match(
            Kind.MISSING_FILE,
            subject="/project/plain/lib/util",
            file="/project/plain/noext.mjs",
            wanted="import",
        ),
    ),
    ("file-main", 1, match(Kind.MISSING_FILE, subject="/project/plain/nothere.js")),
    ("file-worker", 1, match(Kind.MISSING_FILE, subject="/project/plain/nope.js")),
    (
        "file-tsx",
        1,
        match(
            Kind.MISSING_FILE, subject="/project/plain/nothere.ts", file="/project/plain/", wanted="import"
        ),
    ),
    ("file-vite6-config", 1, CONFIG),
    ("file-vite8-config", 1, CONFIG),
    (
        "file-of-package",
        1,
        match(Kind.MISSING_FILE, subject="/project/plain/node_modules/broken/dist/index.js"),
    ),
    (
        "file-of-package-import",
        1,
        match(
            Kind.MISSING_FILE,
            subject="/project/plain/node_modules/broken/dist/index.js",
            file="/project/plain/brk.mjs",
        ),
    ),
    ("command-npm", 127, VITE),
    ("command-bash", 127, VITE),
    ("command-pnpm10", 1, VITE),
    ("command-yarn1", 127, VITE),
    ("command-yarn4", 127, VITE),
    ("command-concurrently", 1, VITE),
    ("command-env", 127, replace(VITE, subject="nosuchnode")),
    ("command-spawn", 1, replace(VITE, subject="nosuchcmd")),
    ("command-path", 127, replace(VITE, subject="./nothere.sh")),
    ("node-npm", 1, NODE_99),
    ("node-pnpm", 1, replace(NODE_99, subject="/project/plain/eng")),
    ("node-yarn1", 1, replace(NODE_99, found="20.20.2")),
    ("node-next", 1, match(Kind.WRONG_NODE, subject="Next.js", wanted=">=20.9.0", found="18.20.8")),
    ("node-astro", 1, match(Kind.WRONG_NODE, subject="Astro", wanted=">=22.12.0", found="v20.20.2")),
    (
        "node-angular",
        3,
        match(
            Kind.WRONG_NODE,
            subject="Angular CLI",
            wanted="v22.22.3 or v24.15.0 or v26.0.0",
            found="v20.20.2",
        ),
    ),
    (
        "node-vite7",
        1,
        match(
            Kind.WRONG_NODE,
            subject="Vite",
            wanted="20.19+ or 22.12+",
            found="18.20.8",
            lacks="crypto.hash",
        ),
    ),
    ("node-vite8", 1, match(Kind.WRONG_NODE, subject="node:util", lacks="styleText", found="v18.20.8")),
    ("node-builtin", 1, SQLITE),
    ("node-builtin-import", 1, SQLITE),
    ("node-option", 9, match(Kind.WRONG_NODE, lacks="--no-such-option")),
    ("addon", 1, match(Kind.FOREIGN_ADDON, file="/project/plain/old.node", found="108", wanted="115")),
    ("openssl", 1, match(Kind.OLD_OPENSSL)),
    ("esm-import", 1, replace(COMMONJS, subject="import", file="/project/plain/i.cjs")),
    ("esm-export", 1, replace(COMMONJS, subject="export", file="/project/plain/exportcjs.js")),
    ("esm-require", 1, replace(ES_MODULE, subject="require", file="/project/plain/esm/req.js")),
    ("esm-exports", 1, replace(ES_MODULE, subject="exports", file="/project/plain/esm/exp.js")),
    ("esm-module", 1, replace(ES_MODULE, subject="module", file="/project/plain/esm/mod.js")),
    ("esm-dirname", 1, replace(ES_MODULE, subject="__dirname", file="/project/plain/esm/dir.js")),
    (
        "esm-err-require",
        1,
        replace(REQUIRED, subject="/project/plain/esm/ok.js", file="/project/plain/reqesm.js"),
    ),
    (
        "esm-top-level-await",
        1,
        replace(REQUIRED, subject="/project/plain/esm/tla.js", file="/project/plain/reqtla.js"),
    ),
    (
        "esm-named-export",
        1,
        replace(REQUIRED, wanted="names", subject="./named.cjs", file="/project/plain/namedimp.mjs"),
    ),
    (
        "esm-directory",
        1,
        replace(
            REQUIRED, wanted="folder", subject="/project/plain/lib/dir", file="/project/plain/dirimp.mjs"
        ),
    ),
    ("heap-node", 134, HEAP),
    ("heap-npm", 134, HEAP),
    ("heap-worker", 1, replace(HEAP, found=None, subject="worker")),
    ("watches-node", 1, replace(WATCHES, file="/project/w/10")),
    ("watches-nodemon", 1, replace(WATCHES, file="/project/misc/nomod.js")),
    ("watches-instances", 1, replace(WATCHES, lacks="max_user_instances", file="/project/w/0")),
    ("permission-listen", 1, match(Kind.PERMISSION, port=80)),
    ("permission-file", 1, match(Kind.PERMISSION, wanted="open", file="/root/x")),
    ("permission-execute", 126, match(Kind.PERMISSION, wanted="execute", file="./noexec.sh")),
    ("permission-spawn", 1, match(Kind.PERMISSION, wanted="execute", file="./noexec.sh")),
]
UNKNOWN = ("crash", "exit", "syntax", "enoent", "next-start", "watches-of-vite")


@pytest.mark.parametrize(("name", "code", "expected"), RECOGNISED, ids=[name for name, _, _ in RECOGNISED])
def test_what_a_real_tool_prints_is_recognised(name: str, code: int | None, expected: Match) -> None:
    assert recognise(code, None, printed(name)) == expected


@pytest.mark.parametrize("name", UNKNOWN)
def test_a_failure_of_another_kind_is_not(name: str) -> None:
    assert recognise(1, None, printed(f"unknown-{name}")) is None


def test_every_output_is_looked_at_and_every_sentence_is_in_one() -> None:
    names = {path.stem for path in OUTPUTS.iterdir()}
    assert names == {name for name, _, _ in RECOGNISED} | {f"unknown-{name}" for name in UNKNOWN}
    lines = [line.removeprefix("[0] ") for name in names for line in printed(name)]
    unused = [each.line.pattern for each in SENTENCES if not any(each.line.fullmatch(line) for line in lines)]
    assert unused == []


def test_node_ends_itself_with_sigabrt_when_its_heap_is_full() -> None:
    assert recognise(None, "SIGABRT", printed("heap-node")) == HEAP
    assert recognise(None, "SIGKILL", printed("heap-node")) is None


@pytest.mark.parametrize("name", [name for name, code, _ in RECOGNISED if code != 0])
def test_no_sentence_counts_for_a_program_that_exits_with_0(name: str) -> None:
    assert recognise(0, None, printed(name)) is None


@pytest.mark.parametrize(
    ("name", "code"), [("command-npm", 1), ("command-env", 2), ("permission-execute", 1)]
)
def test_a_word_of_the_shell_counts_only_with_its_exit_code(name: str, code: int) -> None:
    assert recognise(code, None, printed(name)) is None


USED = "Error: listen EADDRINUSE: address already in use :::3000"
CRASH = ["TypeError: boom", "    at run (/web/server.js:1:1)", "", "Node.js v20.20.2"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([USED, *["GET /"] * 13], 1),  # it found another port, and served
        (
            [USED, "    at listen (node:net:1)", "listens on 3001", *CRASH],
            1,
        ),  # and crashed over something else
        (["[alice] vite: command not found", "[bob] try npm install", "bye"], 0),
        (["[alice] vite: command not found"], 1),
        (["sh: 1: vite: not found", "all tests passed but one"], 1),
        ([f'{{"level":30,"msg":"the client said: {USED}"}}'], 1),
        ([f'<alice> my server says "{USED}"'], 1),
        (["I have read about Error: Cannot find module 'x' today"], 1),
        (['user searched for npm error Missing script: "dev" and left'], 1),
        (["Port 3000 is already in use by nobody, trying another one…"], 1),
        (["JavaScript heap out of memory is what this page is about"], 1),
        (["Something is already running on port 3000. Or is it?"], 0),
        ([], 1),
        ([""] * 200, 1),
    ],
)
def test_what_only_looks_like_an_error_is_not_one(lines: list[str], code: int) -> None:
    assert recognise(code, None, lines) is None


def test_the_newest_sentence_counts() -> None:
    lines = [USED, *printed("script-npm11")]
    assert recognise(1, None, lines) == DVE


def test_what_a_program_says_on_its_way_out_hides_nothing() -> None:
    lines = ["Server failed to start: listen EADDRINUSE: address already in use 127.0.0.1:3000", "bye"]
    assert recognise(1, None, lines) == match(Kind.PORT_IN_USE, port=3000)


def test_a_socket_in_the_file_system_has_no_port() -> None:
    lines = ["Error: listen EADDRINUSE: address already in use /tmp/web.sock"]
    assert recognise(1, None, lines) == match(Kind.PORT_IN_USE, subject="/tmp/web.sock")


@pytest.mark.parametrize(
    "line",
    [
        *(sentence.word * (16_384 // len(sentence.word)) for sentence in SENTENCES),
        *(f"Error: {sentence.word} '" + "a'" * 8_000 for sentence in SENTENCES),
        '{"level":50,' + '","msg":"listen EADDRINUSE' * 600,
        "x: " * 5_000 + "listen EADDRINUSE",
    ],
)
def test_no_line_takes_long(line: str) -> None:
    lines = ["Error: " + line, *[line[:80]] * 200]
    began = time.process_time()
    recognise(1, None, lines)
    recognise(127, None, [line, *[" "] * 200])
    assert time.process_time() - began < 0.5


# What the machine makes of a cause.

GONE = Cause("missing module", "`express` is not installed", "run `npm ci`", hopeless=True, files=("/web",))
TAKEN = Cause("port in use", "port 9229 is in use by pid 7 (`node`)")
WEB = AppConfig(
    "web",
    Command(("npm", "run", "dev")),
    port=5173,
    check=Check(CheckKind.TCP, failures=3, retry_interval=1.0),
    start_timeout=60.0,
)


def starting(cause: Cause | None, config: AppConfig = WEB) -> World:
    """Return an app that starts and does not answer, for a reason."""
    world = World(config)
    world.check = lambda: replace(world.down(), cause=cause)
    world.send(Start())
    return world


def test_an_app_that_lives_on_without_a_hope_is_told_long_before_its_start_timeout() -> None:
    world = starting(GONE)
    world.advance(2.9)
    assert world.app.state is State.STARTING
    world.advance(0.6)
    assert world.app.state is State.UNHEALTHY
    assert world.app.reason == (
        "nothing listens: `express` is not installed; run `npm ci`; not restarted: a restart can't mend that"
    )
    assert progress(["web"], {"web": world.app}, {"web": WEB}, Goal.UP) == {"web": False}
    world.advance(600)
    assert (world.app.state, world.app.restarts) == (State.UNHEALTHY, 0)


def test_and_comes_up_if_it_mends_itself() -> None:
    world = starting(GONE)
    world.advance(10)
    world.check = world.up
    world.advance(2)
    assert world.app.state is State.RUNNING
    assert world.app.diagnosis is None


def test_a_cause_that_passes_does_not_end_a_start() -> None:
    world = starting(GONE)
    world.advance(2)
    world.check = world.down
    world.advance(2)
    world.check = lambda: replace(world.down(), cause=GONE)
    world.advance(2)
    assert world.app.state is State.STARTING
    world.check = world.up
    world.advance(1)
    assert world.app.state is State.RUNNING


def test_a_start_that_takes_too_long_says_the_cause_as_far_as_it_is_known() -> None:
    world = starting(TAKEN)
    world.advance(60.5)
    assert world.app.restarts == 1
    text = (
        "no check passed within 1m (`start_timeout`): nothing listens: port 9229 is in use by pid 7 (`node`)"
    )
    assert world.app.reason == text


def test_a_cause_is_forgotten_with_the_check_that_does_not_have_it() -> None:
    world = World(WEB)
    world.send(Start())
    world.advance(1)
    world.check = lambda: replace(world.down(), cause=GONE)
    world.advance(20)
    assert (world.app.state, world.app.restarts) == (State.UNHEALTHY, 0)
    world.check = world.down
    world.advance(5)
    assert world.app.restarts == 1


def test_a_file_that_has_changed_restarts_what_lived_on_without_a_hope() -> None:
    world = starting(GONE)
    world.advance(10)
    world.check = world.up
    world.send(Remedied("package.json"))
    world.advance(2)
    assert (world.app.state, world.app.generation) == (State.RUNNING, 2)


def test_a_command_that_is_not_there_is_told_with_its_cause() -> None:
    world = World(WEB)
    world.send(Start())
    failed = SpawnFailed(world.app.generation, "could not execute its command: `vite`", True, GONE)
    world.app = replace(world.app, state=State.STARTING)
    world.send(failed)
    assert world.app.state is State.FAILED
    text = "could not execute its command: `vite`: `express` is not installed; run `npm ci`"
    assert world.app.reason == text
    world.send(Remedied("package.json"))
    world.advance(1)
    assert world.app.state is State.RUNNING


def test_an_exit_with_0_that_has_a_cause_is_a_failure() -> None:
    world = World(replace(WEB, restart=Restart.ON_FAILURE))
    world.send(Start())
    world.advance(1)
    world.die(0, cause=TAKEN)
    world.advance(1)
    assert (world.app.state, world.app.restarts) == (State.RUNNING, 1)
    world.die(0)
    world.advance(1)
    assert world.app.state is State.COMPLETED


def test_a_stranger_is_named_before_a_cause() -> None:
    world = World(WEB)
    taken = Probed(
        1, Outcome.DOWN, "port 5173 is held by pid 7", Verdict.STRANGER, port_taken=True, cause=GONE
    )
    world.check = lambda: taken
    world.send(Start())
    world.advance(5)
    assert world.app.reason.endswith("a restart can't free a port that somebody else holds")
