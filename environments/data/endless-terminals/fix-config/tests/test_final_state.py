import json
import os
import stat


class TestService:
    def test_content(self):
        with open("service.json") as file:
            assert json.load(file) == {"name": "ferry", "port": 8443, "debug": False, "hosts": ["a.example", "b.example"]}

    def test_mode(self):
        assert stat.S_IMODE(os.stat("service.json").st_mode) == 0o600
