"""The sentences in which node, npm and their dev servers report what is wrong, as they print them.

A copy of each output, made with the real tool, is in `tests/unit/core/outputs`: a sentence that is not in one
of them does not belong here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from procman.core.causes import Kind


@dataclass(frozen=True, slots=True)
class Sentence:
    """One of them: a pattern for the whole line, whose groups are fields of `Match`."""

    kind: Kind
    word: str  # in every such line; to be looked for first, at a tenth of a pattern's price
    line: re.Pattern[str]
    near: tuple[re.Pattern[str], ...]  # lines around it, which name the rest
    codes: frozenset[int] | None  # with which it counts, or that are told nearby; None is any but 0
    known: Mapping[str, str]  # fields that are the same in every such line


def _says(
    kind: Kind, word: str, line: str, *near: str, codes: Iterable[int] | None = None, **known: str
) -> Sentence:
    accepted = None if codes is None else frozenset(codes)
    return Sentence(kind, word, re.compile(line), tuple(map(re.compile, near)), accepted, known)


ERROR = r"(?:Uncaught )?Error: "
NPM = r"npm (?:error|ERR!)"
SHELL = r"(?:/\S*/)?(?:ba|da|k|z)?sh: "
LEAD = r"(?:[^\"'<>]{1,60}: )?"  # `Error: `, or a few words of the program that has caught it
WATCHER = rf"(?!file watcher error){LEAD}"  # Vite says so and goes on without
IN_USE = r"listen EADDRINUSE: address already in use (?:\S*:(?P<port>\d+)|(?P<subject>\S+))"
PNPM = r"\s*ERR_PNPM_"
ESM = r"Error \[ERR_MODULE_NOT_FOUND\]: "
PACKAGE = r"(?P<subject>[^./#'][^']*)"
# Lines near one of them.
PLACE = r"(?:file://)?(?P<file>/.+?):\d+"  # node shows it before the error
STACK = r"- (?P<file>/.+)"  # the first line under `Require stack:`
VERSION = r"Node\.js (?P<found>v\d\S*)"  # the last line of a crash
INSTALLED = r"\s+at .*/node_modules/(?P<subject>(?:@[^/]+/)?[^/]+)/.*"

TAKEN = (
    _says(Kind.PORT_IN_USE, "EADDRINUSE", rf"{LEAD}{IN_USE}"),
    _says(Kind.PORT_IN_USE, "EADDRINUSE", rf"\{{\"level\":[56]0,.*,\"msg\":\"{IN_USE}\"\}}"),  # pino
    _says(Kind.PORT_IN_USE, "is already in use", rf"{ERROR}Port (?P<port>\d+) is already in use"),  # Vite
    _says(
        Kind.PORT_IN_USE,
        "already running on port",
        r"Something is already running on port (?P<port>\d+)\.",
        codes=range(256),  # Create React App exits with 0
    ),
    _says(
        Kind.OTHER_NEXT,
        "Another next dev",
        r"\s?⨯ Another next dev server is already running\.",
        r"- Local: +(?P<subject>http://\S+)",
        r"- Dir: +(?P<file>/.*)",
        r"- PID: +(?P<pid>\d+)",
    ),
    _says(
        Kind.OTHER_NEXT,
        "acquire lock",  # Next 16.0
        r" ⨯ Unable to acquire lock at (?P<file>/.+)/\.next/\S+, is another instance of next dev running\?",
    ),
)

PACKAGE_JSON = (
    _says(Kind.MISSING_SCRIPT, "issing script", rf"{NPM} [Mm]issing script: \"?(?P<subject>[^\"]+)\"?"),
    _says(Kind.MISSING_SCRIPT, "NO_SCRIPT", rf"{PNPM}NO_SCRIPT\s+Missing script: (?P<subject>.+)"),
    _says(Kind.MISSING_SCRIPT, "error Command", r"error Command \"(?P<subject>[^\"]+)\" not found\."),  # yarn
    _says(
        Kind.MISSING_SCRIPT,
        "Usage Error",
        r"Usage Error: Couldn't find a script named \"(?P<subject>[^\"]+)\"\.",
    ),
    _says(
        Kind.NO_PACKAGE,
        "enoent",
        rf"{NPM} enoent .*ENOENT: no such file or directory, open '(?P<file>/.+)/package\.json'",
    ),
    _says(
        Kind.NO_PACKAGE,
        "NO_IMPORTER",
        rf"{PNPM}NO_IMPORTER_MANIFEST_FOUND\s+No package\.json .*was found in \"(?P<file>.+)\"\.",
    ),
    _says(
        Kind.NO_PACKAGE,
        "find a package.json",
        r"error Couldn't find a package\.json file in \"(?P<file>.+)\"",
    ),
    _says(Kind.BROKEN_PACKAGE, "EJSONPARSE", rf"{NPM} code EJSONPARSE"),
    _says(
        Kind.BROKEN_PACKAGE, "Error parsing", r"SyntaxError: Error parsing (?P<file>/.+)/package\.json: .*"
    ),
    _says(
        Kind.BROKEN_PACKAGE,
        "package.json",  # pnpm
        r"\s?ERROR\s+.* in JSON at position .* in (?P<file>/.+)/package\.json\s?",
    ),
    _says(Kind.BROKEN_PACKAGE, "package.json", r"error SyntaxError: (?P<file>/.+)/package\.json: .*"),  # yarn
    _says(
        Kind.STALE_LOCK,
        "`npm ci`",
        rf"{NPM} `npm ci` can only install packages when your package\.json and .* are in sync\..*",
        rf"{NPM} Missing: (?P<subject>\S+) from lock file",
    ),
    _says(
        Kind.STALE_LOCK,
        "`npm ci`",
        rf"{NPM} The `npm ci` command can only install with an existing package-lock\.json.*",
    ),
    _says(
        Kind.STALE_LOCK,
        "OUTDATED_LOCKFILE",
        rf"{PNPM}OUTDATED_LOCKFILE\s+Cannot install with \"frozen-lockfile\".*",
        r"\* \d+ dependencies were added: (?P<subject>.+)",
    ),
    _says(Kind.STALE_LOCK, "lockfile", r"error Your lockfile needs to be updated, but yarn was run.*"),
    _says(
        Kind.STALE_LOCK,
        "lockfile",
        r"➤ YN\d+: │ The lockfile would have been modified by this install, which is explicitly forbidden\.",
    ),
)

MISSING = (
    _says(Kind.MISSING_MODULE, "Cannot find", rf"{ERROR}Cannot find module '{PACKAGE}'", STACK),
    _says(
        Kind.MISSING_MODULE,
        "Cannot find",
        rf"{ESM}Cannot find package '{PACKAGE}' imported from (?P<file>/.+)",
    ),
    _says(
        Kind.MISSING_MODULE,
        "npm has a bug",  # as rollup and rolldown say
        rf"{ERROR}Cannot find (?:module (?P<subject>@\S+)|native binding)\. npm has a bug .*",
        INSTALLED,
        lacks="optional",
    ),
    _says(
        Kind.MISSING_FILE,
        "Cannot find",
        rf"{ERROR}Cannot find module '(?P<subject>[./][^']*)'(?:\. Please verify that .*)?",
        STACK,
    ),
    _says(
        Kind.MISSING_FILE,
        "Cannot find",
        rf"{ESM}Cannot find module '(?P<subject>/[^']*)' imported from (?P<file>/.+)",
        wanted="import",
    ),
    _says(
        Kind.MISSING_FILE,
        "Cannot find",
        rf"{ERROR}Cannot find package '(?P<subject>/[^']*)' imported from (?P<file>/.+)",
    ),
    _says(
        Kind.MISSING_FILE,
        "Could not resolve",  # in Vite's own configuration: by rolldown, and by esbuild
        r"\[UNRESOLVED_IMPORT\] Could not resolve '(?P<subject>[./][^']*)' in (?P<file>.+)",
    ),
    _says(
        Kind.MISSING_FILE,
        "Could not resolve",
        r"(?P<file>\S+):\d+:\d+: ERROR: Could not resolve \"(?P<subject>[./][^\"]*)\"",
    ),
    _says(Kind.NO_COMMAND, "not found", rf"{SHELL}\d+: (?P<subject>\S+): not found", codes={127}),
    _says(
        Kind.NO_COMMAND,
        "not found",
        rf"{SHELL}(?:line \d+: )?(?P<subject>\S+): command not found",
        codes={127},
    ),
    _says(Kind.NO_COMMAND, "not found", r"command not found: (?P<subject>\S+)", codes={127}),  # yarn 4
    _says(
        Kind.NO_COMMAND,
        "env: ",
        r"(?:/\S*/)?env: [‘'](?P<subject>[^’']+)[’']: No such file or directory",
        codes={127},
    ),
    _says(Kind.NO_COMMAND, "ENOENT", rf"{ERROR}spawn (?P<subject>\S+) ENOENT"),
)

NODE = (
    _says(
        Kind.WRONG_NODE,
        "EBADENGINE",
        rf"{NPM} code EBADENGINE",
        rf"{NPM} \w+ Not compatible with your version of node/npm: (?P<subject>(?!undefined)\S+)",
        rf"{NPM} notsup Required:\s+\{{.*\"node\":\"(?P<wanted>[^\"]+)\".*",
        rf"{NPM} notsup Actual:\s+\{{.*\"node\":\"(?P<found>[^\"]+)\".*",
    ),
    _says(
        Kind.WRONG_NODE,
        "UNSUPPORTED_ENGINE",
        rf"{PNPM}UNSUPPORTED_ENGINE\s.*",
        r"Your Node version is incompatible with \"(?P<subject>.+)\"\.",
        r"Expected version: (?P<wanted>.+)",
        r"Got: (?P<found>v\S+)",
    ),
    _says(
        Kind.WRONG_NODE,
        "is incompatible with this module",
        r"error (?P<subject>\S+): The engine \"node\" is incompatible with this module\. "
        r"Expected version \"(?P<wanted>[^\"]+)\"\. Got \"(?P<found>[^\"]+)\"",
    ),
    _says(
        Kind.WRONG_NODE,
        "You are using Node.js",
        r"You are using Node\.js (?P<found>\S+)\. "
        r"For (?P<subject>Next\.js), Node\.js version \"(?P<wanted>[^\"]+)\" is required\.",
    ),
    _says(
        Kind.WRONG_NODE,
        "not supported by Astro",
        r"Node\.js (?P<found>v\S+) is not supported by (?P<subject>Astro)!",
        r"Please upgrade Node\.js to a supported version: \"(?P<wanted>[^\"]+)\"",
    ),
    _says(
        Kind.WRONG_NODE,
        "Angular CLI requires",
        r"The (?P<subject>Angular CLI) requires a minimum Node\.js version of (?P<wanted>v.*\d)\.",
        r"Node\.js version (?P<found>v\S+) detected\.",
    ),
    _says(
        Kind.WRONG_NODE,
        "No such built-in",
        r"Error \[ERR_UNKNOWN_BUILTIN_MODULE\]: No such built-in module: (?P<lacks>node:\S+)",
        VERSION,
    ),
    _says(
        Kind.WRONG_NODE,
        "does not provide",
        r"SyntaxError: The requested module '(?P<subject>node:[^']+)' "
        r"does not provide an export named '(?P<lacks>[^']+)'",
        VERSION,
    ),
    _says(
        Kind.WRONG_NODE,
        "hash is not",  # with a warning of Vite 7 above it
        r"TypeError: (?P<lacks>crypto\.hash) is not a function",
        r"You are using Node\.js (?P<found>\S+)\. "
        r"(?P<subject>Vite) requires Node\.js version (?P<wanted>.+)\. Please upgrade .*",
    ),
    _says(Kind.WRONG_NODE, "bad option", r"\S*node: bad option: (?P<lacks>--\S+)", codes={9}),
    _says(
        Kind.FOREIGN_ADDON,
        "was compiled against",
        r"was compiled against a different Node\.js version using",
        rf"{ERROR}The module '(?P<file>[^']+)'",
        r"NODE_MODULE_VERSION (?P<found>\d+)\. This version of Node\.js requires",
        r"NODE_MODULE_VERSION (?P<wanted>\d+)\. Please try .*",
    ),
    _says(
        Kind.OLD_OPENSSL,
        "digital envelope",
        rf"{ERROR}error:0308010C:digital envelope routines::unsupported",
    ),
)

MODULE_SYSTEMS = (
    _says(
        Kind.MODULE_SYSTEM,
        "import statement",
        r"SyntaxError: Cannot use import statement outside a module",
        PLACE,
        subject="import",
        found="CommonJS",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "Unexpected token",
        r"SyntaxError: Unexpected token 'export'",
        PLACE,
        subject="export",
        found="CommonJS",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "in ES module scope",
        r"ReferenceError: (?P<subject>require|exports|module|__dirname|__filename) "
        r"is not defined in ES module scope.*",
        PLACE,
        found="an ES module",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "ERR_REQUIRE_ESM",
        r"Error \[ERR_REQUIRE_ESM\]: "
        r"require\(\) of ES Module (?P<subject>/.+?)(?: from (?P<file>/.+?))? not supported\.",
        wanted="require",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "ERR_REQUIRE_ASYNC",
        r"Error \[ERR_REQUIRE_ASYNC_MODULE\]: "
        r"require\(\) cannot be used on an ESM graph with top-level await\..*",
        r"  From (?P<file>/.+?) ?",
        r"  Requiring (?P<subject>/.+?) ?",
        wanted="require",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "is a CommonJS module",
        r"SyntaxError: Named export '[^']+' not found\. "
        r"The requested module '(?P<subject>[^']+)' is a CommonJS module, .*",
        PLACE,
        wanted="names",
    ),
    _says(
        Kind.MODULE_SYSTEM,
        "Directory import",
        r"Error \[ERR_UNSUPPORTED_DIR_IMPORT\]: Directory import '(?P<subject>[^']+)' is not supported "
        r"resolving ES modules imported from (?P<file>/.+)",
        wanted="folder",
    ),
)

LIMITS = (
    _says(
        Kind.OUT_OF_HEAP,
        "heap out of memory",
        r"FATAL ERROR: .*JavaScript heap out of memory",
        r"\[\d+:0x[0-9a-f]+\] .*: Mark-(?:Compact|sweep) (?P<found>\d+)\.\d .*",
    ),
    _says(
        Kind.OUT_OF_HEAP,
        "WORKER_OUT_OF_MEMORY",
        r"Error \[ERR_WORKER_OUT_OF_MEMORY\]: "
        r"Worker terminated due to reaching memory limit: JS heap out of memory",
        subject="worker",
    ),
    _says(
        Kind.WATCH_LIMIT,
        "ENOSPC",
        rf"{WATCHER}ENOSPC: System limit for number of file watchers reached, watch '(?P<file>[^']+)'",
        lacks="max_user_watches",
    ),
    _says(
        Kind.WATCH_LIMIT,
        "EMFILE",
        rf"{WATCHER}EMFILE: too many open files, watch '(?P<file>[^']+)'",
        lacks="max_user_instances",
    ),
    _says(
        Kind.PERMISSION,
        "listen EACCES",
        rf"{LEAD}listen EACCES: permission denied (?:\S*:(?P<port>\d+)|(?P<file>\S+))",
    ),
    _says(
        Kind.PERMISSION,
        "EACCES",
        rf"(?:{NPM} )?{ERROR}EACCES: permission denied, (?P<wanted>[a-z]+) '(?P<file>[^']+)'.*",
    ),
    _says(Kind.PERMISSION, "EACCES", rf"{ERROR}spawn (?P<file>\S+) EACCES", wanted="execute"),
    _says(
        Kind.PERMISSION,
        "ermission denied",
        rf"{SHELL}(?:(?:line )?\d+: )?(?P<file>\S+): Permission denied",
        codes={126},
        wanted="execute",
    ),
)

SENTENCES = (*TAKEN, *PACKAGE_JSON, *MISSING, *NODE, *MODULE_SYSTEMS, *LIMITS)
