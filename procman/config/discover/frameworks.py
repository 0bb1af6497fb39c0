"""What serves during development: how it is told apart, where it listens, and how it is told a port.

Measured with Node 20 where a test runs it (`tests/real/test_init.py`), else by its own documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procman.config.discover.scripts import Step, word_set

_SCRIPT_ENDINGS = ("js", "mjs", "ts", "cjs", "mts", "cts")
_VITE = tuple(f"vite.config.{ending}" for ending in _SCRIPT_ENDINGS)


@dataclass(frozen=True, slots=True)
class Framework:
    """A program that serves, and what it takes."""

    name: str
    programs: tuple[str, ...]
    port: int  # where it listens if nobody says otherwise
    flag: str = ""  # its arguments for a port; empty: it takes `$PORT`
    extra: tuple[str, ...] = ()  # arguments that do good in any case
    only: tuple[str, ...] = ()  # arguments with which it serves, `""` for none; empty: all but `never`
    never: tuple[str, ...] = ()  # first arguments with which it does not
    told_by: tuple[str, ...] = ("--port", "-p")  # flags of a script that say a port
    files: tuple[str, ...] = ()  # configurations in which a port may stand, beside that of `--config`
    keys: tuple[tuple[str, ...], ...] = ()  # and where in them
    reads_env_files: bool = False  # a `PORT` in `.env` counts
    slow: bool = False  # it opens its port after its first build
    env: Mapping[str, str] = field(default_factory=dict)
    env_reason: str = ""

    def fits(self, step: Step) -> bool:
        """Return whether a command is this one, and serves."""
        if step.program not in self.programs:
            return False
        words = [word for word in step.plain if not word.isdecimal()]
        if self.only:
            return any(word in self.only for word in words) or ("" in self.only and not words)
        return next(iter(words), "") not in self.never


def _files(*names: str) -> tuple[str, ...]:
    """Return the names of a configuration in every kind of script: `astro.config` as `astro.config.mjs`."""
    return tuple(f"{name}.{ending}" for name in names for ending in _SCRIPT_ENDINGS)


_STRICT = ("--strictPort",)  # else Vite takes the next port that is free, and serves where nobody looks
_PORT = "--port {port}"
_NO_BROWSER = "else it opens a browser at each start"

# The first that fits counts.
FRAMEWORKS = (
    Framework("Vite's preview", ("vite",), 4173, _PORT, _STRICT, only=("preview",), told_by=("--port",),
              files=_VITE, keys=(("preview", "port"),)),
    Framework("Vite", ("vite",), 5173, _PORT, _STRICT, never=("build", "optimize"), told_by=("--port",),
              files=_VITE, keys=(("server", "port"),)),
    Framework("Next", ("next",), 3000, never=("build", "lint", "export", "info", "telemetry", "typegen")),
    Framework("Nuxt", ("nuxt", "nuxi", "nuxt-ts"), 3000, only=("", "dev", "start"), reads_env_files=True,
              files=_files("nuxt.config"), keys=(("devServer", "port"), ("server", "port")), slow=True),
    Framework("Astro", ("astro",), 4321, _PORT, only=("", "dev", "start", "preview"),
              files=_files("astro.config"), keys=(("server", "port"),)),
    Framework("React Router", ("react-router",), 5173, _PORT, _STRICT, only=("dev",), files=_VITE,
              keys=(("server", "port"),)),
    Framework("Remix", ("remix",), 5173, _PORT, _STRICT, only=("vite:dev",), files=_VITE,
              keys=(("server", "port"),)),
    Framework("Remix", ("remix",), 3000, only=("dev", "watch"), reads_env_files=True),
    Framework("Remix", ("remix-serve", "react-router-serve"), 3000),
    Framework("Angular", ("ng",), 4200, _PORT, only=("serve", "s", "dev"), told_by=("--port",), slow=True),
    Framework("Create React App", ("react-scripts", "craco", "react-app-rewired"), 3000, only=("start",),
              reads_env_files=True, slow=True, env={"BROWSER": "none"}, env_reason=_NO_BROWSER),
    Framework("webpack-dev-server", ("webpack", "webpack-cli"), 8080, _PORT,
              only=("serve", "server", "s"), told_by=("--port",), files=_files("webpack.config"),
              keys=(("devServer", "port"),)),
    Framework("webpack-dev-server", ("webpack-dev-server",), 8080, _PORT, told_by=("--port",),
              files=_files("webpack.config"), keys=(("devServer", "port"),)),
    Framework("Rspack", ("rspack",), 8080, _PORT, only=("serve", "server", "s", "dev"),
              files=_files("rspack.config"), keys=(("devServer", "port"),)),
    Framework("Rsbuild", ("rsbuild",), 3000, _PORT, only=("", "dev"), told_by=("--port",),
              files=_files("rsbuild.config"), keys=(("server", "port"),)),
    Framework("Vue CLI", ("vue-cli-service",), 8080, only=("", "serve"), told_by=("--port",),
              files=("vue.config.js",), keys=(("devServer", "port"),), slow=True),
    Framework("Storybook", ("storybook", "start-storybook"), 6006, "-p {port}", ("--ci",),
              never=("build", "init", "add", "upgrade", "doctor"), slow=True),
    Framework("http-server", ("http-server", "hs"), 8080),
    Framework("serve", ("serve",), 3000, extra=("--no-port-switching",),
              told_by=("-l", "--listen", "-p", "--port")),
    Framework("json-server", ("json-server",), 3000, _PORT, files=("json-server.json",), keys=(("port",),)),
    Framework("live-server", ("live-server",), 8080, "--port={port}", ("--no-browser",), told_by=("--port",)),
    Framework("Gatsby", ("gatsby",), 8000, _PORT, only=("develop", "d"), slow=True),
    Framework("Eleventy", ("eleventy",), 8080, "--port={port}", told_by=("--port",)),
    Framework("Parcel", ("parcel",), 1234, _PORT, never=("build", "watch", "help")),
    Framework("Expo", ("expo",), 8081, _PORT, only=("start",)),
    Framework("React Native", ("react-native",), 8081, _PORT, only=("start",), told_by=("--port",)),
    Framework("Docusaurus", ("docusaurus",), 3000, _PORT, ("--no-open",), only=("start",), slow=True),
    Framework("VitePress", ("vitepress",), 5173, _PORT, _STRICT, never=("build", "preview", "init"),
              told_by=("--port",), files=_files(".vitepress/config"), keys=(("server", "port"),)),
    Framework("VuePress", ("vuepress", "vuepress-vite", "vuepress-webpack"), 8080, _PORT,
              only=("dev", "serve")),
    Framework("Vinxi", ("vinxi", "solid-start"), 3000, _PORT, only=("dev", "start"), told_by=("--port",)),
    Framework("Wrangler", ("wrangler",), 8787, _PORT, only=("dev",), told_by=("--port",)),
    Framework("Ember", ("ember",), 4200, _PORT, only=("serve", "server", "s"), slow=True),
    Framework("Fastify", ("fastify",), 3000, only=("start",)),
    Framework("Strapi", ("strapi",), 1337, only=("develop", "dev", "start"), reads_env_files=True, slow=True),
)  # fmt: skip

# Programs that build; only with a word that makes them go on is one an app.
BUILDERS = word_set(
    """tsc tsup rollup esbuild tailwindcss tailwind sass postcss swc babel webpack webpack-cli parcel vite
    unbuild microbundle tsc-watch tsc-alias tsdown ncc gulp grunt graphql-codegen prettier eslint biome
    vue-tsc svelte-kit svelte-check svelte-package chokidar rspack vitest jest rimraf next nuxt
    astro"""
)

# Packages whose presence says that a Node program serves, with the name that people know.
SERVERS = {
    "@nestjs/core": "NestJS", "express": "Express", "fastify": "Fastify", "koa": "Koa", "@hapi/hapi": "hapi",
    "hono": "Hono", "elysia": "Elysia", "polka": "Polka", "restify": "Restify", "@apollo/server": "Apollo",
    "apollo-server": "Apollo", "socket.io": "Socket.IO", "@feathersjs/express": "Feathers",
    "h3": "h3", "@adonisjs/core": "AdonisJS",
}  # fmt: skip

# What runs a file of the project.
RUNNERS = word_set("node nodemon tsx ts-node ts-node-dev tsnd bun deno babel-node swc-node nest")


def recognise(step: Step) -> Framework | None:
    """Return what a command serves with, if that is known."""
    return next((each for each in FRAMEWORKS if each.fits(step)), None)


def builds(step: Step) -> bool:
    """Return whether a command builds something, and serves nothing."""
    return recognise(step) is None and step.program in BUILDERS
