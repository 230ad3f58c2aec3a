"""
What a server in Python can't avoid for each group and batch: the standard library's zlib and json, in one thread and
with nothing around them. No server that is written like Atropos' is faster on this machine. Run by ../rollout-api.ts.

Input: a group's JSON. Output: one JSON object of rates a second, the best of many, for groups and for batches of BATCH groups.
"""

import gzip
import json
import sys
import time

BATCH = 8
ROUNDS = 41


def rate(work):
    seconds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return 1 / min(seconds)


body = sys.stdin.buffer.read()
zipped = gzip.compress(body, 6)
batch = {"batch": [json.loads(body) for _ in range(BATCH)]}
answer = lambda: json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()
print(
    json.dumps(
        {
            "ingest gzip": rate(lambda: json.loads(gzip.decompress(zipped))),
            "ingest plain": rate(lambda: json.loads(body)),
            "drain plain": rate(answer),
            # Starlette's middleware compresses at level 9.
            "drain gzip": rate(lambda: gzip.compress(answer(), 9)),
        }
    )
)
