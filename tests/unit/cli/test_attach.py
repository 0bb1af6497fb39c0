"""`procman attach`: what of the keys is for us."""

from __future__ import annotations

import pytest

from procman.cli.attach import until_leave


@pytest.mark.parametrize(
    ("typed", "sent", "leaves"),
    [
        (b"abc", b"abc", False),
        (b"\x1d", b"", True),
        (b"abc\x1ddef", b"abc", True),
        (b"ab\x1b[93;5uc", b"ab", True),
        (b"ab\x1b[27;5;93~c\x1d", b"ab", True),
        (b"\x1b[A\x03\x04\x1a", b"\x1b[A\x03\x04\x1a", False),
    ],
)
def test_everything_before_ctrl_close_bracket_is_for_the_app(typed: bytes, sent: bytes, leaves: bool) -> None:
    assert until_leave(typed) == (sent, leaves)
