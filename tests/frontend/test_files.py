"""Spec files that are no specs: too large, too deep, of the wrong bytes; each is refused soon, at its place."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path

import pytest

from nablac.errors import NablacError
from nablac.frontend.spec import load_spec

NET = b"""model: net
inputs: {x: "real[n, 4]", y: "label[n, 3]"}
network:
  - linear: 3
loss: cross_entropy
"""
DEEP = "expected: at most 20000 keys and values, nested at most 20 deep"

FILES = [
    (
        NET + b"title: " + b"[" * 2000 + b"]" * 2000,
        f"""
        SpecError: the spec is nested too deeply
          {DEEP}
          where:    FILE:6:27
        """,
    ),
    (
        NET + b"title: " + b"{a: " * 2000 + b"}" * 2000,
        f"""
        SpecError: the spec is nested too deeply
          {DEEP}
          where:    FILE:6:84
        """,
    ),
    (
        NET + b"title:\n " + b"- " * 5000 + b"x\n",
        f"""
        SpecError: the spec is nested too deeply
          {DEEP}
          where:    FILE:7:40
        """,
    ),
    (
        NET + b"title: " + b"[" * 100_000,
        f"""
        SpecError: the spec is nested too deeply
          {DEEP}
          where:    FILE:6:27
        """,
    ),
    (
        NET + b"title: [" + b"1," * 200_000 + b"1]\n",
        f"""
        SpecError: the spec is too large
          {DEEP}
          where:    FILE:6:39973
        """,
    ),
    (
        NET + b"title:\n" + b"- 1\n" * 200_000,
        f"""
        SpecError: the spec is too large
          {DEEP}
          where:    FILE:19989:3
        """,
    ),
    (
        NET + b"#" * 2_000_000,
        """
        SpecError: the spec is too long
          expected: at most 1000000 bytes
          where:    FILE
        """,
    ),
    (
        NET + b"title: a\0b\n",
        r"""
        SpecError: a spec holds no control characters
          found:    '\x00'
          where:    FILE:6:9
        """,
    ),
    (
        NET + b"title: caf\xe9\n",
        """
        SpecError: the spec is not UTF-8 text
          found:    the byte 0xe9
          where:    FILE:6:11
          remedy:   save it as UTF-8
        """,
    ),
    (
        NET.decode().encode("utf-16"),
        """
        SpecError: the spec is not UTF-8 text
          found:    the byte 0xff
          where:    FILE:1:1
          remedy:   save it as UTF-8
        """,
    ),
    (
        NET.replace(b"  - linear", b"\t- linear"),
        r"""
        SpecError: this is not YAML: found character '\t' that cannot start any token
          where:    FILE:4:1
          remedy:   indent with spaces, and put a text that begins with a special character in quotes
        """,
    ),
    (
        b"",
        """
        SpecError: a spec is a mapping
          found:    nothing
          expected: model: name, and what it is made of
          where:    FILE:1:1
        """,
    ),
    (
        NET + b"title: " + b"long " * 100 + b"\n",
        """
        SpecError: 'title' cannot be a text of 499 characters
          expected: at most 200 characters
          where:    FILE:6:8
        """,
    ),
    (
        NET + 'title: "turned \u202e around"\n'.encode(),
        """
        SpecError: 'title' cannot be 'turned \\u202e around'
          expected: a line of plain text
          where:    FILE:6:8
        """,
    ),
]


@pytest.mark.parametrize(("data", "expected"), FILES, ids=range(len(FILES)))
def test_told_where_it_goes_wrong_and_soon(tmp_path: Path, data: bytes, expected: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_bytes(data)
    begun = time.process_time()
    with pytest.raises(NablacError) as told:
        load_spec(file)
    assert str(told.value).replace(str(file), "FILE") == textwrap.dedent(expected).strip()
    assert time.process_time() - begun < 5


def test_line_ends_and_byte_order_marks_are_no_matter(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.yaml", tmp_path / "other.yaml"
    plain.write_bytes(NET)
    for data in (b"\xef\xbb\xbf" + NET, NET.replace(b"\n", b"\r\n"), b"# words\n" * 50_000 + NET):
        other.write_bytes(data)
        assert load_spec(other).source == load_spec(plain).source
    other.write_bytes(NET.replace(b"linear", b"lineal").replace(b"\n", b"\r\n"))
    with pytest.raises(NablacError) as told:
        load_spec(other)
    assert str(told.value.where) == f"{other}:4:5"


@pytest.mark.parametrize("path", ["", "missing.yaml", "a\0b.yaml", "x" * 5000, "/dev/zero", str(Path(__file__).parent)])
def test_what_is_no_file(path: str) -> None:
    with pytest.raises(NablacError, match="the spec (cannot be read|is too long)"):
        load_spec(path)
