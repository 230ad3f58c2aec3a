import random
import subprocess
import sys

program = sys.argv[1] + "/total.py"
for _ in range(5):
    rows = [(random.choice(["nail", '"pipe, long"', "glue"]), random.choice(["", 1, 7, 12]), random.randrange(1, 9999)) for _ in range(20)]
    table = "item,quantity,price\n" + "".join(f"{item},{quantity},{cents / 100:.2f}\n" for item, quantity, cents in rows)
    expected = sum((quantity or 1) * cents for _, quantity, cents in rows)
    run = subprocess.run([sys.executable, "-I", program], input=table, capture_output=True, text=True, timeout=10)
    assert run.stdout.strip() == f"{expected // 100}.{expected % 100:02d}", (run, expected)
