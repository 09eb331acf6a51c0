"""A short run of tests/fuzz.py: always the same files, so that a failure comes again."""

import pytest
from fuzz import run


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", [1, 2])
def test_broken_logs_of_every_format_lose_nothing(seed: int) -> None:
    went = run(12, seed)
    print(f"figure: fuzz, seed {seed}: {went.total()} files, {len(went)} outcomes")
    assert went.total() > 20
