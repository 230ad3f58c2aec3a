import os

import pytest


def test_names():
    assert sorted(os.listdir("logs")) == ["app.log.001", "app.log.002", "app.log.007", "app.log.012"]


@pytest.mark.parametrize("number", [1, 2, 7, 12])
def test_contents(number):
    with open(f"logs/app.log.{number:03d}") as file:
        assert file.read() == f"entry of {number}\n"


def test_count():
    with open("renamed.txt") as file:
        assert file.read().strip() == "4"
