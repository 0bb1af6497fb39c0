"""The apps of npm packages: what each script comes down to, and what installs the packages that it needs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from procman.config.commands import split
from procman.config.discover.findings import Found
from procman.config.discover.frameworks import RUNNERS, builds, recognise
from procman.config.discover.packages import Package, referred
from procman.config.discover.pieces import Piece, commands_of, ends, find_pieces, runs_several
from procman.config.discover.scripts import Step, word_set
from procman.config.discover.serving import Serving, of_framework, of_program, of_unknown
from procman.config.discover.tree import Tree, join
from procman.core.values import Bad

# Programs that are found without the `.bin` of a package.
_SYSTEM = word_set(
    """node npm npx pnpm pnpx yarn bun bunx deno python python3 docker docker-compose make sh bash php ruby go
    cargo java mvn gradle caddy redis-server mongod stripe ngrok uvicorn flask"""
)
_PREFIX = re.compile(r"^(?:dev|start|serve|run|watch)[:.-](?=.)|(?<=.)[:.-](?:dev|start|serve)$")
_SLOW = "3m"  # the first build of a large app on a small machine, several times over
_SEVERAL = "several programs"
_CHAIN = 10  # scripts of which each runs the next; more are a circle


def find_npm(tree: Tree, packages: Sequence[Package]) -> list[Found]:
    """Return the apps of all packages, each with what installs it."""
    described = [(piece.package, _describe(piece)) for piece in find_pieces(tree, packages)]
    return list(with_installation([(package, found) for package, found in described if found]))


def npm_serving(package: Package, text: str) -> Serving:
    """Return where a command listens that is run in the folder of a package, and gets no more arguments."""
    step, serving = _followed(package, text, passes=False)
    return serving if step else Serving(serves=False)


def _describe(piece: Piece) -> Found | None:
    """Return the app of a piece, or None if it is none: it builds, and ends."""
    step, serving = _followed(piece.package, piece.text, passes=True)
    if step is None:
        return None
    framework = recognise(step)
    slow = framework.slow if framework else step.program == "nest"
    several = "it runs several programs; with a table for each, each would be watched"
    remarks = {
        "command": several if serving.what == _SEVERAL else "",
        "env": framework.env_reason if framework else "",
        "start_timeout": "it opens its port after its first build" if slow else "",
    }
    found = Found(
        names=_names(piece, step),
        command=_command(piece, step, serving.arguments),
        cwd=piece.package.folder,
        source=_source(piece),
        what=serving.what,
        listening=serving.listening,
        serves=serving.serves,
        env=serving.env,
        start_timeout=_SLOW if slow else None,
        remarks={key: remark for key, remark in remarks.items() if remark},
    )
    if piece.script is None:
        return _with_variables(found, step)
    return found if piece.label else replace(found, also=tuple(_also(piece.package, step)))


def _followed(package: Package, text: str, *, passes: bool) -> tuple[Step | None, Serving]:
    """Return the command that is the app, through scripts that run scripts, and where it serves.

    None where all that is run does its work and ends.

    Args:
        package: in whose folder it is run.
        text: a script, or a command.
        passes: whether arguments that are added reach its last command.
    """
    for _ in range(_CHAIN):
        commands = commands_of(text, package)
        if all(map(ends, commands)):
            return None, Serving()
        step = _main(commands)
        package = _where(commands, step, package)
        passes = passes and step is commands[-1]
        reference = referred(step, package)
        if reference is None or reference.elsewhere or reference.script not in package.scripts:
            break
        text, passes = package.scripts[reference.script], passes and not package.manager.separator
    return step, _serving(text, step, package, passes=passes)


def _main(commands: Sequence[Step]) -> Step:
    """Return the command of a script that is the app: one that serves, else one that runs a program."""
    serving = [step for step in commands if recognise(step)]
    running = [step for step in commands if step.program in RUNNERS]
    return (serving or running or [step for step in commands if not ends(step)])[-1]


def _serving(text: str, step: Step, package: Package, *, passes: bool) -> Serving:
    """Return where the command of a script serves."""
    if framework := recognise(step):
        return of_framework(framework, step, package, passes=passes)
    if step.program in RUNNERS:
        return of_program(step, package)
    if builds(step):
        return Serving(step.program, serves=False)
    return Serving(_SEVERAL) if runs_several(text) else of_unknown(step, package)


def _where(commands: Sequence[Step], step: Step, package: Package) -> Package:
    """Return the package in whose folder a step runs, after each `cd` before it."""
    folder = package.folder
    for each in commands[: commands.index(step)]:
        if each.program == "cd" and each.arguments:
            folder = join(folder, each.arguments[0])
    return package if folder == package.folder else Package(package.tree, folder, package.workspace)


def _with_variables(found: Found, step: Step) -> Found:
    """Return an app that is a part of a script, with the variables set there: its port is ours now."""
    env = {**step.variables, **found.env}
    port = found.listening
    if port is None or env.get("PORT") != str(port.port):
        return replace(found, env=env)
    del env["PORT"]
    return replace(found, env=env, listening=replace(port, movable=True))


def _also(package: Package, step: Step) -> Iterator[str]:
    """Yield what else serves among the scripts of a package, such as its Storybook."""
    own = recognise(step)
    for name, text in package.scripts.items():
        found = [each for each in map(recognise, commands_of(text, package)) if each]
        if found and (own is None or own.programs != found[-1].programs):
            yield f"`{package.manager.script(name)}` ({found[-1].name})"


def _command(piece: Piece, step: Step, arguments: str) -> str | tuple[str, ...]:
    """Return the command of an app: its script by the package manager, or the part of a script itself."""
    manager = piece.package.manager
    if piece.script is not None:
        return manager.script(piece.script, arguments)
    words = step.words if step.program in _SYSTEM else (*manager.runs.split(), *step.words)
    words = (*words, *arguments.split())
    line = " ".join(words)
    try:
        return line if split(line) == words else words
    except Bad:
        return words


def _names(piece: Piece, step: Step) -> tuple[str, ...]:
    """Return what an app may be called, best first."""
    package = piece.package
    at_root = package.folder == "."
    own = package.name if at_root else package.folder.rpartition("/")[2]
    longer = package.name if at_root else package.folder.replace("/", "-")
    label = piece.label
    if label is None:
        if piece.script is not None:
            return own, longer
        file = next((word for word in step.plain if step.program in RUNNERS), step.program)
        label = re.sub(r".*/|\.\w+$", "", file)
    label = _PREFIX.sub("", label)
    return label, f"{own}-{label}", f"{longer}-{label}"


def _source(piece: Piece) -> str:
    script = piece.script or piece.via
    path = piece.package.path
    return f"script `{script}` of {path}" if script else f"server.js beside {path}"


def with_installation(described: Iterable[tuple[Package, Found]]) -> Iterator[Found]:
    """Yield the apps with what installs their packages: `prepare`, or an app that the others wait for.

    One app in the folder of its packages has a `prepare`. Where several share them, as in a workspace, each
    with a `prepare` of its own would install into the same folder at the same time, and `npm ci` begins with
    removing what is there. So one app has it, in the root, and the others wait until it is completed. Its
    command has nothing left to do: as a `prepare`, an install runs again only when the lock file has changed,
    and not at each `up` under apps that are running.
    """
    users: dict[str, list[tuple[Package, Found]]] = {}
    for package, found in described:
        users.setdefault(package.root.folder, []).append((package, found))
    for root, group in users.items():
        apps = [found for _, found in group]
        user = next((package for package, _ in group if package.install), None)
        if user is None or user.install is None:
            yield from apps
        elif len(apps) == 1 and apps[0].cwd == root:
            yield replace(apps[0], prepare=user.install, remarks={**apps[0].remarks, **_refused(user)})
        else:
            yield _installation(user, user.install)
            yield from (replace(found, after=(root,)) for found in apps)


def _installation(package: Package, install: str) -> Found:
    root = package.root
    return Found(
        names=("install", f"install-{root.name}"),
        command=f"{package.manager.name} --version",
        cwd=root.folder,
        source=package.lock or root.path,
        what="installs the packages of the apps below, once and before they start",
        serves=False,
        prepare=install,
        restart="never",
        installs=root.folder,
        remarks={"command": "nothing is left to do after `prepare`", **_refused(package)},
    )


def _refused(package: Package) -> dict[str, str]:
    """Return the remark that says why `prepare` is not `npm ci`, where that would refuse the lock file."""
    name = package.left_out
    return {"prepare": f"`npm ci` refuses {package.lock}: it has no `{name}`"} if name else {}
