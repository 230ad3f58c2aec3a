"""
The stack that Atropos' server stands on, under the same load: FastAPI, pydantic and uvicorn with uvloop and httptools,
one process, everything in memory. It checks what /scored_data promises, keeps the 14 keys, and answers /batch as FastAPI
answers; what else the original does (mixed group sizes, minimum allocations) is left out, so it is no slower than that.
Run by ../rollout-api.ts where these packages are installed.
"""

import gzip
import socket
from collections import deque
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from pydantic import BaseModel


class Registration(BaseModel):
    wandb_group: str
    wandb_project: str
    batch_size: int
    max_token_len: int
    checkpoint_dir: str
    save_checkpoint_interval: int
    starting_step: int
    num_steps: int


class EnvRegistration(BaseModel):
    max_token_length: int
    desired_name: str
    weight: float
    group_size: int
    min_batch_allocation: float | None = None


class ScoredData(BaseModel):
    tokens: list[list[int]]
    masks: list[list[int]]
    scores: list[float]
    advantages: list[list[float]] | None = None
    ref_logprobs: list[list[float]] | None = None
    messages: list[list[dict]] | None = None
    generation_params: dict[str, Any] | None = None
    inference_logprobs: list[list[float]] | None = None
    overrides: list[dict] | None = None
    group_overrides: dict | None = None
    images: Any | None = None
    env_id: int | None = None
    distill_token_ids: list[list[list[int]]] | None = None
    distill_logprobs: list[list[list[float]]] | None = None


class InflateRequests:
    """ASGI middleware: a gzip body goes on as what it inflates to."""

    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = scope.get("headers", [])
        if not any(name == b"content-encoding" and b"gzip" in value for name, value in headers):
            return await self.app(scope, receive, send)
        parts, more = [], True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = gzip.decompress(b"".join(parts))
        kept = [(name, value) for name, value in headers if name not in (b"content-encoding", b"content-length")]
        scope = {**scope, "headers": [*kept, (b"content-length", str(len(body)).encode())]}
        whole = {"type": "http.request", "body": body, "more_body": False}

        async def receive_whole():
            return whole

        return await self.app(scope, receive_whole, send)


app = FastAPI()
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
app.add_middleware(GZipMiddleware, minimum_size=1000)
app.add_middleware(InflateRequests)
queue = deque()
state = {"batch_size": 0}


@app.post("/register")
async def register(registration: Registration):
    state["batch_size"] = registration.batch_size
    return {"uuid": 1}


@app.post("/register-env")
async def register_env(env: EnvRegistration):
    return {"status": "success", "env_id": 0, "wandb_name": env.desired_name}


@app.post("/scored_data")
async def scored_data(group: ScoredData):
    queue.append({name: getattr(group, name) for name in ScoredData.model_fields})
    return {"status": "received"}


@app.get("/batch")
async def batch():
    taken, count = [], 0
    while queue and count < state["batch_size"]:
        taken.append(queue.popleft())
        count += len(taken[-1]["tokens"])
    return {"batch": taken or None}


if __name__ == "__main__":
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    print(f"ready: http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, loop="uvloop", http="httptools", log_level="warning")
    uvicorn.Server(config).run(sockets=[listener])
