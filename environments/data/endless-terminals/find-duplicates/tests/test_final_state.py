import pytest


@pytest.fixture(scope="module")
def lines():
    with open("duplicates.txt") as file:
        return file.read().splitlines()


def test_lines(lines):
    assert lines == ["photos/a.raw photos/c.raw photos/old/f.raw", "photos/b.raw photos/old/e.raw"]
