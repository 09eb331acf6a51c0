"""What tests that fail are told."""

from collections.abc import Callable

import pytest


@pytest.mark.parametrize("join", [b"\n".join, lambda lines: b"\n".join(lines).decode(), list])
def test_large_values_that_differ_are_told_at_once(
    join: Callable[[list[bytes]], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")  # pytest leaves nothing out then
    lines = [b"line %d %s" % (at * at, b"x" * (at % 5000)) for at in range(6000)]
    found = join(lines)
    expected = join([*lines[:2], b"another", *lines[::-1]])
    with pytest.raises(AssertionError, match=r"characters is not the .* expected; from \d+ on:"):
        assert found == expected
