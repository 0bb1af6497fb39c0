"""What counts as a request, and that whatever else comes in is told what is wrong with it."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procman.control.protocol import BadRequest, Request, decode, encode, parse, spell


@pytest.mark.parametrize(
    "request_",
    [
        Request("status"),
        Request("up", ("web", "@front", "w*"), wait=False),
        Request("stop", ("web",), force=True, timeout=1.5),
        Request("wait", goal="completed"),
        Request("signal", ("web",), signal="HUP"),
        Request("status", wide=True),
    ],
)
def test_what_a_client_spells_the_manager_reads(request_: Request) -> None:
    assert parse(spell(request_)) == request_


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"", "not a line of JSON"),
        (b"hello", "not a line of JSON"),
        (b"\xff\xfe\x00", "not a line of JSON"),
        (b"[" * 100_000, "not a line of JSON"),
        (b'"status"', "not a JSON object"),
        (b"{}", "speaks version 1 of the protocol, not None"),
        (b'{"v": 2, "verb": "status"}', "speaks version 1 of the protocol, not 2"),
        (b'{"v": true, "verb": "status"}', "not True"),
        (b'{"v": 1}', "there is no verb None"),
        (b'{"v": 1, "verb": ["up"]}', "there is no verb"),
        (b'{"v": 1, "verb": "explode"}', "there is no verb 'explode'"),
        (b'{"v": 1, "verb": "up", "apps": "web"}', "'web' is no value for the option 'apps'"),
        (b'{"v": 1, "verb": "up", "apps": [1]}', "no value for the option 'apps'"),
        (b'{"v": 1, "verb": "up", "timeout": NaN}', "no value for the option 'timeout'"),
        (b'{"v": 1, "verb": "up", "timeout": Infinity}', "no value for the option 'timeout'"),
        (b'{"v": 1, "verb": "up", "timeout": -1}', "no value for the option 'timeout'"),
        (b'{"v": 1, "verb": "up", "timeout": true}', "no value for the option 'timeout'"),
        (b'{"v": 1, "verb": "up", "wait": 1}', "no value for the option 'wait'"),
        (b'{"v": 1, "verb": "status", "wide": "yes"}', "no value for the option 'wide'"),
        (b'{"v": 1, "verb": "plan", "file": "new.toml"}', "no value for the option 'file'"),
        (b'{"v": 1, "verb": "wait", "goal": "up"}', "no value for the option 'goal'"),
        (b'{"v": 1, "verb": "up", "dry_run": true}', "there is no option 'dry_run'"),
    ],
)
def test_what_is_no_request_is_told_why(line: bytes, complaint: str) -> None:
    with pytest.raises(BadRequest, match=complaint.replace("[", r"\[")):
        parse(line)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text() | st.sampled_from(["v", "verb", "up"]),
        lambda inner: (
            st.lists(inner) | st.dictionaries(st.sampled_from(["v", "verb", "apps", "timeout"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_line_whatsoever_makes_anything_but_a_request_or_a_refusal(line: bytes) -> None:
    with contextlib.suppress(BadRequest):
        assert isinstance(parse(line), Request)


def test_a_name_that_is_no_utf_8_survives_the_way_to_the_client() -> None:
    assert decode(encode({"type": "problem", "text": "a\udc80b│"})) == {
        "type": "problem",
        "text": "a\udc80b│",
    }
    encode({"text": "a\udc80b│"}).decode("utf-8")


@pytest.mark.parametrize("line", [b"", b"[]", b"{}", b'{"type": 1}'])
def test_a_line_that_is_no_frame_is_refused_by_the_client(line: bytes) -> None:
    with pytest.raises(ValueError):
        decode(line)
