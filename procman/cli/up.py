"""`procman up`."""

from __future__ import annotations

import click

from procman.cli import bring_up, options


@click.command()
@options.apps
@click.option("-d", "--detach", is_flag=True, help="Return when all are up; they go on in the background.")
@click.option("--no-wait", is_flag=True, help="With -d: return at once.")
@options.timeout
@options.as_json
@click.option("--foreground", is_flag=True, help="Stay without a terminal too, as in a container.")
@click.option(
    "--log-format",
    type=click.Choice(("text", "json")),
    envvar="PROCMAN_LOG_FORMAT",
    default="text",
    help="How lines are printed; also `PROCMAN_LOG_FORMAT`.",
)
@click.option(
    "--stop-within",
    callback=options.seconds,
    metavar="DURATION",
    help="Kill what a signal has not stopped by then.",
)
@click.pass_obj
def command(
    file: str | None,
    apps: tuple[str, ...],
    detach: bool,
    no_wait: bool,
    timeout: float | None,
    as_json: bool,
    foreground: bool,
    log_format: str,
    stop_within: float | None,
) -> int:
    """Start the manager if none runs, then APPS with what they depend on.

    In a terminal their output follows, and Ctrl-C stops everything; a second Ctrl-C kills at once. Without a
    terminal this is `up -d`, but as the first process of a container, or with `--foreground`, it stays: it
    prints what happens, stops everything on SIGTERM, and ends when every app is completed or failed. Apps
    with `autostart = false` start only when they are named.
    """
    if foreground and (detach or no_wait or as_json or timeout is not None):
        raise click.UsageError("`--foreground` stays, so it goes with no option that makes `up` return")
    return bring_up.up(
        file,
        apps,
        detach=detach,
        no_wait=no_wait,
        timeout=timeout,
        as_json=as_json,
        foreground=foreground,
        log_format=log_format,
        stop_within=stop_within,
    )
