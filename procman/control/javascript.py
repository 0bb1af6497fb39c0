"""What a configuration file written in JavaScript says: it is run by node, as the user who asks for it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile

PATIENCE = 30.0  # seconds for a file that only has to say what it exports
_LAST_LINES = 5  # of what node has printed about an error
_SCRIPT = """
import { writeFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
const [file, answer] = process.argv.slice(1)
const found = await import(pathToFileURL(file).href)
let value = found.default ?? { ...found }
if (typeof value === 'function') value = value()
writeFileSync(answer, JSON.stringify(await value) ?? 'null')
process.exit(0)
"""


class NotEvaluated(Exception):
    """The file did not say anything: there is no node, or it fails in it; `details` are node's own words."""

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.details = details


def evaluate(path: str) -> object:
    """Return what a JavaScript file exports, as plain values; it is run in its folder and can do anything.

    Raises:
        NotEvaluated: it cannot be run, fails, takes more than 30 s, or exports nothing that JSON can hold.
    """
    with tempfile.TemporaryDirectory(prefix="procman-") as folder:
        answer = os.path.join(folder, "answer.json")
        words = ["node", "--input-type=module", "-e", _SCRIPT, "--", os.path.abspath(path), answer]
        try:
            done = subprocess.run(
                words,
                cwd=os.path.dirname(os.path.abspath(path)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # whatever it prints is not what it exports
                stderr=subprocess.PIPE,
                timeout=PATIENCE,
                check=False,
            )
        except FileNotFoundError as error:
            raise NotEvaluated("`node` is not installed, or not on the PATH") from error
        except subprocess.TimeoutExpired as error:
            raise NotEvaluated(f"it was not done after {PATIENCE:g} s") from error
        try:
            with open(answer, encoding="utf-8") as file:
                return json.load(file)
        except (OSError, ValueError, RecursionError) as error:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            told = [line for line in lines if not line.startswith(("    at ", "Node.js v"))]
            raise NotEvaluated(
                "node fails on it", "\n".join(line for line in told[-_LAST_LINES:] if line.strip())
            ) from error
