"""What a recognised cause means in an app's own folder, and on this machine: its sentence and its remedy.

Each kind has a function that looks at the facts. They can deny what the lines say, for the file may be there
by now; then a restart does help. So `hopeless` is what the lines say and the facts confirm.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from procman.core.causes import Cause, Kind, Match
from procman.core.package_managers import MODULES
from procman.core.verdict import in_the_way
from procman.engine import remedy_packages as packages
from procman.engine.packages import Package
from procman.engine.scene import Scene, cause
from procman.host.files import owner_of

LIMITS = Path("/proc/sys/fs/inotify")
LOWEST_PORT = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
PLENTY = {"max_user_watches": 524_288, "max_user_instances": 1024}


def explain(match: Match, scene: Scene) -> Cause:
    """Return the cause that was recognised, with what there is to say and to do about it here."""
    return _EXPLAIN[match.kind](match, scene)


# What somebody else has.


def _port_in_use(match: Match, scene: Scene) -> Cause:
    port, declared = match.port, scene.config.port
    if port is None:
        return cause(match.kind, f"`{match.subject}` is in use")
    listeners = scene.host.listeners()
    listener = in_the_way(listeners, port)
    if listener is None:
        rest = "" if listeners is None else ", and nobody holds it any more"
        return cause(match.kind, f"port {port} was in use{rest}")
    holder = scene.host.holder(listener) or "a process that can't be told"
    remedy = f"`procman free {port}` ends that"
    if declared not in (None, port):
        remedy += f", or let the app listen on its own `port`, {declared}"
    return cause(match.kind, f"port {port} is in use by {holder}", remedy)


def _other_next(match: Match, scene: Scene) -> Cause:
    where = scene.inside(Path(match.file)) if match.file is not None else ""
    about = [f"pid {match.pid}"] if match.pid is not None else []
    about += [match.subject] if match.subject is not None else []
    named = f" ({', '.join(about)})" if about else ""
    remedy = "end that first" if match.pid is None else f"`kill {match.pid}` ends that"
    return cause(match.kind, f"another `next dev` is running{where}{named}", remedy)


# A node that does not fit.


def _wrong_node(match: Match, scene: Scene) -> Cause:
    package, tool = Package(scene.cwd), match.subject or "a package"
    this = "this node" if match.found is None else f"this node, {match.found},"
    if match.wanted is not None:
        sentence = f"{tool} needs node {match.wanted}, and this is {match.found or 'another'}"
    elif match.lacks is None:
        sentence = f"{tool} does not accept {this.rstrip(',')}"
    else:
        where = f" in `{match.subject}`" if match.subject is not None else ""
        sentence = f"{this} has no `{match.lacks}`{where}"
    named = next((name for name in (".nvmrc", ".node-version") if _is_file(package.folder / name)), None)
    switch = "switch to one that fits" if named is None else f"switch to that of {named}"
    remedy = f"{switch}, then `procman down` and `procman up`, for apps get the PATH that those have"
    return cause(match.kind, sentence, remedy, files=scene.of_node(package))


def _foreign_addon(match: Match, scene: Scene) -> Cause:
    versions = (
        f": its interface has version {match.found}, this node's {match.wanted}" if match.wanted else ""
    )
    file = match.file or ""  # node names it, but a program that has caught the error may not
    sentence = f"{scene.shown(file) if file else 'a native module'} was built for another node{versions}"
    package = Package(Path(file.partition(f"/{MODULES}/")[0]) if MODULES in file else scene.cwd)
    remedy = scene.run(f"{package.manager.name} rebuild", package)
    return cause(match.kind, sentence, remedy, files=(*([file] if file else ()), *scene.of_node(package)))


def _old_openssl(match: Match, scene: Scene) -> Cause:
    sentence = "what it is built with asks for a hash that the OpenSSL of node 17 and later refuses"
    remedy = 'update that (webpack from 5.61), or set `env = { NODE_OPTIONS = "--openssl-legacy-provider" }`'
    return cause(match.kind, sentence, remedy, files=scene.of_node(Package(scene.cwd)))


# A file that is loaded as what it is not.


def _module_system(match: Match, scene: Scene) -> Cause:
    package = Package(scene.cwd if match.file is None else Path(match.file).parent)
    sources = () if match.file is None else (match.file,)
    sentence, remedy = _mismatch(match, package, scene)
    return cause(match.kind, sentence, remedy, files=(*sources, package.path, *package.written))


def _mismatch(match: Match, package: Package, scene: Scene) -> tuple[str, str]:
    file = "a file" if match.file is None else scene.shown(match.file)
    subject = scene.shown(match.subject or "")
    document = scene.shown(package.path)
    match match.wanted:
        case "require":
            sentence = f"{file} requires {subject}, which is an ES module"
            return sentence, "use `await import()`, or a version of it that is CommonJS"
        case "names":
            sentence = f"{file} imports names from {match.subject}, which is CommonJS and does not tell them"
            return sentence, "import it as a whole, and take them from that"
        case "folder":
            return f"{file} imports the folder {subject}", f"import a file, as {subject}/index.js"
    if match.found == "CommonJS":
        more = "" if file.endswith(".cjs") else f', or put `"type": "module"` into {document}'
        return f"{file} uses `{subject}`, but is loaded as CommonJS", f"rename it to .mjs{more}"
    more = "" if file.endswith(".mjs") else f', or take `"type": "module"` out of {document}'
    return f"{file} uses `{subject}`, but is loaded as an ES module", f"rename it to .cjs{more}"


# What a machine has too little of, or does not allow.


def _out_of_heap(match: Match, scene: Scene) -> Cause:
    if match.subject == "worker":
        sentence = "a worker thread ran out of heap"
        return cause(match.kind, sentence, "raise its `resourceLimits`, or find the leak")
    size = f" at {match.found} MB" if match.found is not None else ""
    remedy = 'give it more, `env = { NODE_OPTIONS = "--max-old-space-size=4096" }`, or find the leak'
    return cause(match.kind, f"node ran out of heap{size}", remedy)


def _watch_limit(match: Match, scene: Scene) -> Cause:
    assert match.lacks is not None, "each of the two lines has its limit"
    path, key = LIMITS / match.lacks, f"fs.inotify.{match.lacks}"
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):
        limit = 0
    is_now = f", `{key}` is {limit}" if limit else ""
    what = "watched files" if match.lacks == "max_user_watches" else "file watchers"
    remedy = f"`sudo sysctl {key}={max(PLENTY[match.lacks], 2 * limit)}` raises it"
    return cause(match.kind, f"the limit of {what} is reached{is_now}", remedy, files=[path])


def _permission(match: Match, scene: Scene) -> Cause:
    if match.port is not None:
        why = ": one below 1024 is for root only" if match.port < 1024 else ""
        sentence = f"it may not listen on port {match.port}{why}"
        remedy = f"take another, or allow it: `sudo sysctl net.ipv4.ip_unprivileged_port_start={match.port}`"
        return cause(match.kind, sentence, remedy, files=[LOWEST_PORT])
    assert match.file is not None, "it is in every such line"
    path = scene.cwd / match.file
    shown = scene.shown(path)
    if match.wanted != "execute":
        there = next(each for each in (path, *path.parents) if os.path.exists(each))
        sentence = f"it may not `{match.wanted}` {shown}{_owner(there, scene)}"
        return cause(match.kind, sentence, "give it to the app's user", files=(path, there))
    if _is_file(path):
        return cause(
            match.kind, f"{shown} is not executable", f"`chmod +x {shown}` makes it so", files=[path]
        )
    return cause(match.kind, f"{shown} is no program", files=[path])


def _owner(path: Path, scene: Scene) -> str:
    try:
        return f": {scene.shown(path)} belongs to {owner_of(path)}"
    except (OSError, KeyError):
        return ""


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)


_EXPLAIN: dict[Kind, Callable[[Match, Scene], Cause]] = {
    Kind.PORT_IN_USE: _port_in_use,
    Kind.OTHER_NEXT: _other_next,
    Kind.MISSING_SCRIPT: packages.missing_script,
    Kind.NO_PACKAGE: packages.no_package,
    Kind.BROKEN_PACKAGE: packages.broken_package,
    Kind.STALE_LOCK: packages.stale_lock,
    Kind.MISSING_MODULE: packages.missing_module,
    Kind.MISSING_FILE: packages.missing_file,
    Kind.MISSING_FOLDER: packages.missing_folder,
    Kind.NO_COMMAND: packages.no_command,
    Kind.WRONG_NODE: _wrong_node,
    Kind.FOREIGN_ADDON: _foreign_addon,
    Kind.OLD_OPENSSL: _old_openssl,
    Kind.MODULE_SYSTEM: _module_system,
    Kind.OUT_OF_HEAP: _out_of_heap,
    Kind.WATCH_LIMIT: _watch_limit,
    Kind.PERMISSION: _permission,
}
