"""Measured durations and sizes as people say them: `20ms`, `0.3s`, `10s`, `1m30s`, `2m`; `9.4kB`, `93MB`.

What is written in the file is spelled by `values.duration_text`, which rounds nothing.
"""

from __future__ import annotations


def spell_duration(seconds: float) -> str:
    """Return `seconds` to the millisecond below 0.1 s, to the tenth below a minute, else to the second."""
    milliseconds = round(seconds * 1000)
    if 0 < milliseconds < 100:
        return f"{milliseconds}ms"
    tenths = round(seconds * 10)
    if tenths < 600:
        return f"{tenths / 10:g}s"
    whole = round(seconds)
    parts = [(whole // 3600, "h"), (whole % 3600 // 60, "m"), (whole % 60, "s")]
    return "".join(f"{count}{unit}" for count, unit in parts if count)


def spell_size(count: float) -> str:
    """Return bytes in the largest unit that fits, one below 10 to the tenth: `512B`, `9.4kB`, `93MB`."""
    value, units = float(count), ["B", "kB", "MB", "GB", "TB"]
    while value >= 999.5 and len(units) > 1:
        value /= 1000
        units.pop(0)
    return f"{value:.0f}{units[0]}" if units[0] == "B" or value >= 9.95 else f"{value:.1f}{units[0]}"
