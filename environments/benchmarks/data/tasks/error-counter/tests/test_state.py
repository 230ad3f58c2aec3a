import random
import subprocess
import sys
import tempfile

script = sys.argv[1] + "/count-errors.sh"
with tempfile.TemporaryDirectory() as folder:
    for _ in range(5):
        words = [random.choice(["ERROR", "INFO", "ERRORS", "error"]) for _ in range(random.randrange(40))]
        path = folder + "/app log.txt"
        with open(path, "w") as file:
            file.write("".join(f"2026-01-02 10:00:0{n % 10} {word} ERROR of {n}\n" for n, word in enumerate(words)))
        run = subprocess.run([script, path], capture_output=True, text=True, timeout=10)
        assert run.returncode == 0 and run.stdout.strip() == str(words.count("ERROR")), run
    run = subprocess.run([script, folder + "/missing"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 2 and run.stdout == "", run
