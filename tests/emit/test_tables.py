"""The module's constants: whatever a text holds, its literal is that text."""

from __future__ import annotations

import ast

from hypothesis import given
from hypothesis import strategies as st

from nablac.emit.tables import literal, mapping

AWKWARD = st.text(st.one_of(st.sampled_from("ab \"'\\\n\r\t\0{}%#\u2003\u202e\ud800😀-"), st.characters()))


@given(AWKWARD)
def test_a_text(text: str) -> None:
    assert ast.literal_eval(literal(text)) == text
    assert "\n" not in literal(text)


@given(st.dictionaries(AWKWARD, st.lists(AWKWARD, min_size=1).map(tuple)))
def test_a_table_of_texts(table: dict[str, tuple[str, ...]]) -> None:
    assert ast.literal_eval(mapping(table)) == table
