import os
import tarfile


def test_archive():
    with tarfile.open("reports.tar.gz") as archive:
        files = {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    assert files == {"reports/a.txt": b"one\n", "reports/2025/b.txt": b"two\n"}


def test_directory_is_gone():
    assert not os.path.exists("reports")
