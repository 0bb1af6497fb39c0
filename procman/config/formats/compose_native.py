"""Which services of a compose file run without a container: with which command, and in which folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable

from procman.config.formats.draft import Draft
from procman.config.formats.nodes import Node
from procman.config.formats.variables import fill

# Images that hold a language and nothing of an app: what they run is on this machine too, or can be.
LANGUAGES = frozenset(
    "node bun deno python ruby golang go rust php perl elixir erlang openjdk eclipse-temurin "  # noqa: SIM905
    "amazoncorretto maven gradle dotnet sdk alpine busybox debian ubuntu bash".split()
)


def why_not_here(service: Node) -> str | None:
    """Return why a service cannot run without a container, or None if it can."""
    image = service.child("image")
    has_command = any(service.child(key) is not None for key in ("command", "entrypoint"))
    if service.child("build") is not None:
        return None if has_command else "its command is in its Dockerfile; add it by hand: `procman add`"
    if service.child("extends") is not None and image is None:
        return "it extends another service"
    if image is None:
        return "it has neither `image` nor `build`"
    written = fill(image.text) or image.text
    base = re.split(r"[:@]", written.rpartition("/")[2])[0]
    if base not in LANGUAGES:
        return f"it runs the image `{written}`, and procman runs no containers"
    return None if has_command else f"the image `{written}` alone runs nothing of this project"


def put_command(draft: Draft, service: Node) -> None:
    words: list[str] = []
    node = service
    for key in ("entrypoint", "command"):
        part = service.child(key)
        if part is None:
            continue
        node = part
        if isinstance(part.value, list):
            words += [each.text.replace("$$", "$") for each in part.items]
            continue
        if "$" in part.text.replace("$$", "") or ("$$" in part.text):
            words += _filled(draft, part)
            continue
        try:
            words += shlex.split(part.text)
        except ValueError:
            draft.lose(part, "a quote in it has no end")
    if words and words[0].strip():
        _put(draft, words, node)


def _filled(draft: Draft, part: Node) -> list[str]:
    """Return the words of a command with variables, that compose fills in before it is split."""
    text = fill(part.text)
    if text is None:
        draft.lose(part, "compose fills in variables that have no default here; write their values down")
        return []
    try:
        return shlex.split(text)
    except ValueError:
        draft.lose(part, "a quote in it has no end")
        return []


def _put(draft: Draft, words: list[str], node: Node) -> None:
    if len(words) == 3 and words[0] in ("sh", "bash", "/bin/sh", "/bin/bash") and words[1] in ("-c", "-lc"):
        draft.put_command(words[2], node)
    else:
        draft.put_words(words, node)


def put_folder(draft: Draft, service: Node) -> None:
    """Set `cwd`: where the service's folder is on this machine."""
    inside = service.child("working_dir")
    build = service.child("build")
    context = (
        (build.child("context") if build is not None and build.table else build)
        if build is not None
        else None
    )
    mounts = dict(_mounts(service))
    if inside is not None:
        where = inside.text.rstrip("/")
        for target, (here, node) in mounts.items():
            if where == target or where.startswith(f"{target}/"):
                draft.put("cwd", _clean(here + where[len(target) :]), node)
                return
        if context is None:
            draft.lose(inside, "it is a folder of the container, and no folder of here is mounted there")
    if context is not None and context.is_scalar and not re.match(r"\w+://|git@", context.text):
        draft.put("cwd", _clean(fill(context.text) or "."), context)
    elif len(mounts) == 1:
        ((_, (here, node)),) = mounts.items()
        draft.put("cwd", _clean(here), node)


def _mounts(service: Node) -> Iterable[tuple[str, tuple[str, Node]]]:
    """Yield each folder of the container that is one of here, with that one."""
    volumes = service.child("volumes")
    for each in volumes.items if volumes is not None else []:
        source, target = (node.text if (node := each.child(key)) else "" for key in ("source", "target"))
        if each.is_scalar:
            source, _, rest = each.text.partition(":")
            target = rest.split(":")[0]
        if source.startswith((".", "/", "~")) and target:
            yield target.rstrip("/"), (source, each)


def _clean(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).removeprefix("./").rstrip("/") or "."
