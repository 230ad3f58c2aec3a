import subprocess

import pytest


@pytest.mark.parametrize("lines, longest", [(["a", "ccc", "bb", "ddd"], "ccc"), (["x y  z"], "x y  z"), (["", "*"], "*")])
def test_longest(tmp_path, lines, longest):
    path = tmp_path / "some lines.txt"
    path.write_text("\n".join(lines) + "\n")
    run = subprocess.run(["./longest.sh", str(path)], capture_output=True, text=True, timeout=10)
    assert run.stdout == longest + "\n"
