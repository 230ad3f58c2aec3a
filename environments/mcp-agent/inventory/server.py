"""An MCP server over stdio that keeps the stock of a small shop, for the environment mcp-agent.

It needs nothing but Python. What it knows at the start stands in stock.json; what it knows now it writes into
state.json beside it, whole, after each change, so that it can be read from outside and survives a new start.
"""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
START = os.path.join(HERE, "stock.json")
STATE = os.path.join(HERE, "state.json")
LARGEST = 1_000_000


class Mistake(Exception):
    """What the caller did wrong, in words for the caller."""


class Shop:
    def __init__(self):
        with open(STATE if os.path.exists(STATE) else START, encoding="utf-8") as file:
            state = json.load(file)
        self.items = state["items"]
        self.movements = state.get("movements", [])
        self.notes = state.get("notes", [])
        self.save()

    def save(self):
        state = {"items": self.items, "movements": self.movements, "notes": self.notes}
        with open(STATE + ".new", "w", encoding="utf-8") as file:
            json.dump(state, file, indent=1, sort_keys=True)
        os.replace(STATE + ".new", STATE)

    def item(self, code):
        if code not in self.items:
            raise Mistake(f"There is no item {code}. find_items looks for names.")
        return self.items[code]

    def find_items(self, query=""):
        wanted = query.lower()
        return [
            {"code": code, **item}
            for code, item in sorted(self.items.items())
            if wanted in code.lower() or wanted in item["name"].lower()
        ]

    def show_item(self, code):
        return {"code": code, **self.item(code), "movements": [m for m in self.movements if m["code"] == code]}

    def low_stock(self):
        return [
            {"code": code, "name": item["name"], "quantity": item["quantity"], "minimum": item["minimum"]}
            for code, item in sorted(self.items.items())
            if item["quantity"] < item["minimum"]
        ]

    def add_stock(self, code, quantity, reason):
        return self.change(code, quantity, reason)

    def remove_stock(self, code, quantity, reason):
        have = self.item(code)["quantity"]
        if quantity > have:
            raise Mistake(f"Only {have} of {code} are there; {quantity} can't be taken out. Nothing was changed.")
        return self.change(code, -quantity, reason)

    def change(self, code, quantity, reason):
        item = self.item(code)
        if quantity == 0 or abs(quantity) > LARGEST:
            raise Mistake(f"quantity: expected 1 to {LARGEST}.")
        item["quantity"] += quantity
        self.movements.append({"code": code, "change": quantity, "reason": reason})
        self.save()
        return {"code": code, **item}

    def move_item(self, code, shelf):
        item = self.item(code)
        item["shelf"] = shelf
        self.save()
        return {"code": code, **item}

    def set_minimum(self, code, minimum):
        item = self.item(code)
        item["minimum"] = minimum
        self.save()
        return {"code": code, **item}

    def write_note(self, text):
        self.notes.append(text)
        self.save()
        return {"notes": len(self.notes)}

    def list_notes(self):
        return self.notes


CODE = {"type": "string", "description": "Code of an item, e.g. LAMP-2."}
COUNT = {"type": "integer", "minimum": 0, "description": "How many."}
REASON = {"type": "string", "description": "Why, e.g. the number of an order."}

TOOLS = {
    "find_items": ("Items whose code or name holds the text; all without one.", {"query": {"type": "string"}}, []),
    "show_item": ("One item with all its movements.", {"code": CODE}, ["code"]),
    "low_stock": ("Items of which less is there than their minimum.", {}, []),
    "add_stock": (
        "Books a delivery.",
        {"code": CODE, "quantity": COUNT, "reason": REASON},
        ["code", "quantity", "reason"],
    ),
    "remove_stock": (
        "Books what leaves the shop; refused where not enough is there.",
        {"code": CODE, "quantity": COUNT, "reason": REASON},
        ["code", "quantity", "reason"],
    ),
    "move_item": (
        "Puts an item on another shelf.",
        {"code": CODE, "shelf": {"type": "string", "description": "e.g. B3."}},
        ["code", "shelf"],
    ),
    "set_minimum": ("Sets how many of an item should be there.", {"code": CODE, "minimum": COUNT}, ["code", "minimum"]),
    "write_note": ("Leaves a note for the shop.", {"text": {"type": "string"}}, ["text"]),
    "list_notes": ("All notes.", {}, []),
}

KINDS = {"string": str, "integer": int}


def check(name, given):
    """The arguments, where they fit the tool's schema."""
    _, properties, required = TOOLS[name]
    if not isinstance(given, dict):
        raise Mistake("Expected an object of arguments.")
    unknown = sorted(set(given) - set(properties))
    missing = [key for key in required if key not in given]
    if unknown or missing:
        raise Mistake(f"Unknown arguments: {unknown}; missing: {missing}; expected: {sorted(properties)}.")
    for key, value in given.items():
        kind = properties[key]["type"]
        if not isinstance(value, KINDS[kind]) or isinstance(value, bool):
            raise Mistake(f"{key}: expected a {kind}.")
        if kind == "integer" and value < 0:
            raise Mistake(f"{key}: expected 0 or more.")
    return given


def call(shop, name, given):
    if name not in TOOLS:
        return failed(f"There is no tool {name}.")
    try:
        result = getattr(shop, name)(**check(name, given))
    except Mistake as mistake:
        return failed(str(mistake))
    return {"content": [{"type": "text", "text": json.dumps(result)}], "isError": False}


def failed(text):
    return {"content": [{"type": "text", "text": text}], "isError": True}


def described(name):
    about, properties, required = TOOLS[name]
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {"name": name, "description": about, "inputSchema": schema}


def answer(shop, method, params):
    if method == "initialize":
        return {
            "protocolVersion": params.get("protocolVersion", "2025-06-18"),
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "inventory", "version": "1"},
        }
    if method == "tools/list":
        return {"tools": [described(name) for name in TOOLS]}
    if method == "tools/call":
        return call(shop, params.get("name"), params.get("arguments") or {})
    return {} if method == "ping" else None


def main():
    shop = Shop()
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        reply = {"jsonrpc": "2.0", "id": message["id"]}
        result = answer(shop, message["method"], message.get("params") or {})
        if result is None:
            reply["error"] = {"code": -32601, "message": f"unknown method {message['method']}"}
        else:
            reply["result"] = result
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
