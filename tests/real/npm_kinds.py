"""Kinds of npm project as people make them: what each needs, its script, its files, and where its port is.

`@PORT@` stands for the port, at the place where projects of that kind have it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of project."""

    name: str
    needs: Mapping[str, str]
    script: tuple[str, str]
    files: Mapping[str, str]
    arguments: str = ""  # what its command gets, for its port and to stay on it
    light: bool = False  # installed and started in seconds
    modules: bool = False  # its `.js` files are ECMAScript modules

    @property
    def command(self) -> str:
        """The command that it is to get."""
        return f"npm run {self.script[0]}" + (f" -- {self.arguments}" if self.arguments else "")

    def lay(self, folder: Path, port: int) -> None:
        """Make the project."""
        name, text = self.script
        package = {"name": self.name, "private": True, "scripts": {name: text}, "dependencies": self.needs}
        if self.modules:
            package["type"] = "module"
        files = {"package.json": json.dumps(package), **self.files}
        for path, content in files.items():
            file = folder / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content.replace("@PORT@", str(port)))


_STRICT_PORT = "--port {port} --strictPort"
_REACT = {"react": "19", "react-dom": "19"}
_REACT_PAGE = {
    "index.html": '<div id="root"></div><script type="module" src="/src/main.jsx"></script>',
    "src/main.jsx": "import { createRoot } from 'react-dom/client'\n"
    "createRoot(document.getElementById('root')).render(<p>hello</p>)",
}
_VITE_CONFIG = """
import { defineConfig } from 'vite'
import react from '@vitejs/plugin-react'

export default defineConfig({
  plugins: [react()],
  server: { hmr: { overlay: false }, port: @PORT@ }, // the proxy knows it
})
"""
_EXPRESS = """
const express = require('express')
const app = express()
const port = process.env.PORT || @PORT@
app.get('/', (request, response) => response.json({ hello: 'world' }))
app.listen(port, () => console.log(`listening on http://localhost:${port}`))
"""
_FASTIFY = """
const fastify = require('fastify')({ logger: true })
fastify.get('/', async () => ({ hello: 'world' }))
fastify.listen({ port: Number(process.env.PORT ?? '@PORT@'), host: 'localhost' })
"""
_TYPESCRIPT = """
import { createServer } from 'node:http'
import { config } from './config.js'

createServer((request, response) => response.end('hello')).listen(config.port)
"""
_NEST_MAIN = """
import 'reflect-metadata';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

@Controller()
class AppController {
  @Get()
  hello(): string {
    return 'hello';
  }
}

@Module({ controllers: [AppController] })
class AppModule {}

async function bootstrap() {
  const app = await NestFactory.create(AppModule);
  await app.listen(process.env.PORT ?? @PORT@);
}
bootstrap();
"""
_NEST_CONFIG = {
    "compilerOptions": {
        **{"module": "commonjs", "target": "ES2022", "outDir": "./dist", "baseUrl": "./"},
        **{"experimentalDecorators": True, "emitDecoratorMetadata": True, "skipLibCheck": True},
    }
}
_WEBPACK_CONFIG = """
const path = require('path')
module.exports = {
  entry: './src/index.js',
  output: { path: path.resolve(__dirname, 'dist') },
  devServer: {
    static: './public',
    port: @PORT@,
  },
}
"""
_PAGE = "<!doctype html><title>hello</title><p>hello</p>"

KINDS = (
    Kind(
        "vite-8",
        {"vite": "8", "@vitejs/plugin-react": "6", **_REACT},
        ("dev", "vite"),
        {**_REACT_PAGE, "vite.config.mjs": _VITE_CONFIG},
        _STRICT_PORT,
        light=True,
    ),
    Kind(
        "vite-6",
        {"vite": "6", "@vitejs/plugin-react": "4", **_REACT},
        ("dev", "vite"),
        {**_REACT_PAGE, "vite.config.ts": _VITE_CONFIG},
        _STRICT_PORT,
    ),
    Kind(
        "next",
        {"next": "16", **_REACT},
        ("dev", "next dev -p @PORT@"),
        {
            "app/layout.js": "export default function Layout({ children }) {\n"
            "  return <html><body>{children}</body></html>\n}",
            "app/page.js": "export default function Page() { return <p>hello</p> }",
        },
    ),
    Kind("express", {"express": "5"}, ("start", "node server.js"), {"server.js": _EXPRESS}, light=True),
    Kind(
        "nodemon",
        {"express": "5", "nodemon": "3"},
        ("dev", "nodemon server.js"),
        {"server.js": _EXPRESS.replace("@PORT@", "3000"), ".env": "LOG=1\nPORT=@PORT@\n"},
    ),
    Kind("fastify", {"fastify": "5"}, ("dev", "node --watch server.js"), {"server.js": _FASTIFY}),
    Kind(
        "astro",
        {"astro": "5"},
        ("dev", "astro dev"),
        {
            "astro.config.mjs": "import { defineConfig } from 'astro/config'\n"
            "export default defineConfig({ server: { port: @PORT@ } })",
            "src/pages/index.astro": f"---\n---\n{_PAGE}",
        },
        "--port {port}",
    ),
    Kind(
        "sveltekit",
        {"@sveltejs/kit": "~2.70", "@sveltejs/vite-plugin-svelte": "5", "svelte": "5", "vite": "6"},
        ("dev", "vite dev"),
        {
            "svelte.config.js": "export default { kit: {} }",
            "vite.config.js": "import { sveltekit } from '@sveltejs/kit/vite'\n"
            "export default { plugins: [sveltekit()], server: { port: @PORT@ } }",
            "src/app.html": "<html><head>%sveltekit.head%</head><body>%sveltekit.body%</body></html>",
            "src/routes/+page.svelte": "<p>hello</p>",
        },
        _STRICT_PORT,
        modules=True,
    ),
    Kind(
        "webpack-dev-server",
        {"webpack": "5", "webpack-cli": "6", "webpack-dev-server": "5"},
        ("start", "webpack serve --mode development"),
        {
            "webpack.config.js": _WEBPACK_CONFIG,
            "src/index.js": "console.log('hello')",
            "public/index.html": _PAGE,
        },
        "--port {port}",
    ),
    Kind(
        "create-react-app",
        {"react-scripts": "5", "react": "18", "react-dom": "18"},
        ("start", "react-scripts start"),
        {
            ".env": "PORT=@PORT@\n",
            "public/index.html": '<div id="root"></div>',
            "src/index.js": "import { createRoot } from 'react-dom/client'\n"
            "createRoot(document.getElementById('root')).render(<p>hello</p>)",
        },
    ),
    Kind(
        "nest",
        {
            **{"@nestjs/cli": "11", "@nestjs/common": "11", "@nestjs/core": "11"},
            **{"@nestjs/platform-express": "11", "@types/node": "20"},
            **{"reflect-metadata": "0.2", "rxjs": "7", "typescript": "5"},
        },
        ("start:dev", "nest start --watch"),
        {
            "src/main.ts": _NEST_MAIN,
            "tsconfig.json": json.dumps(_NEST_CONFIG),
            "nest-cli.json": '{ "sourceRoot": "src" }',
        },
    ),
    Kind(
        "json-server",
        {"json-server": "0.17.4"},
        ("start", "json-server --watch db.json --port @PORT@"),
        {"db.json": '{ "posts": [{ "id": 1 }] }'},
    ),
    Kind(
        "http-server",
        {"http-server": "14"},
        ("start", "http-server public -p @PORT@"),
        {"public/index.html": _PAGE},
    ),
    Kind(
        "serve",
        {"serve": "14"},
        ("start", "serve public -l @PORT@"),
        {"public/index.html": _PAGE},
        "--no-port-switching",
        light=True,
    ),
    Kind(
        "tsx",
        {"tsx": "4"},
        ("dev", "tsx watch src/index.ts"),
        {
            "src/index.ts": _TYPESCRIPT,
            "src/config.ts": "const { PORT = '@PORT@' } = process.env\n"
            "export const config = { port: Number(PORT) }",
        },
        light=True,
    ),
)
