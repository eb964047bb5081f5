"""A worker of version 2 without the SDK, by hand on a WebSocket; with a fault it does one thing wrong.

python plain_worker.py HOST SPACE TOKEN SECONDS [FAULT]
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import queue
import random
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any

import websocket

Message = dict[str, Any]
HOST, SPACE, TOKEN, SECONDS, *FAULTS = sys.argv[1:]
FAULT = FAULTS[0] if FAULTS else ""
FINAL = ("stale_lease", "request_not_found")
PATIENT = ("try_later",)


class Refused(Exception):
    """For good."""


class PlainWorker:
    def __init__(self) -> None:
        self.socket: websocket.WebSocket | None = None
        self.sending = threading.Lock()
        self.waiting: queue.Queue[Message | None] = queue.Queue()
        self.held: dict[str, Message] = {}
        self.outbox: dict[str, Message] = {}
        self.first_lease: dict[str, str] = {}
        self.acks: dict[int, Any] = {}
        self.numbers = itertools.count(1)
        self.boot_id = f"boot-{random.random()}"
        self.beat_s, self.most_bytes = 4.0, 262144
        self.draining = False
        self.welcome = False

    # -- the socket -------------------------------------------------------------------------------------------------

    def emit(self, name: str, message: Message, on_ack: Any = None) -> None:
        number = next(self.numbers) if on_ack else ""
        if on_ack:
            self.acks[int(number)] = on_ack
        with suppress(OSError, websocket.WebSocketException), self.sending:
            if self.socket is not None:
                self.socket.send(f"42{number}{json.dumps([name, message])}")

    def serve(self) -> None:
        delay_s = 0.2
        while True:
            began = time.monotonic()
            try:
                self.talk()
            except Refused:
                if FAULT != "goes on when refused":
                    raise
            except (OSError, websocket.WebSocketException):
                pass
            if FAULT == "never comes back" and self.welcome:
                sys.exit(3)
            if time.monotonic() - began > 1:
                delay_s = 0.2
            time.sleep(0.02 if FAULT == "storms" else delay_s)
            delay_s = min(5.0, delay_s * 2)

    def talk(self) -> None:
        if FAULT == "polls":
            with suppress(urllib.error.HTTPError):
                urllib.request.urlopen(f"{HOST}/socket.io/?transport=polling&EIO=4")
        address = HOST.replace("http", "ws", 1)
        self.socket = websocket.create_connection(f"{address}/socket.io/?transport=websocket&EIO=4")
        self.socket.send("40")
        try:
            while text := self.socket.recv():
                self.take(str(text))
        finally:
            self.lost_connection()

    def lost_connection(self) -> None:
        if FAULT == "forgets its results":
            self.outbox.clear()
        if FAULT == "drops its work":
            self.held.clear()
            self.outbox.clear()

    def take(self, text: str) -> None:
        assert self.socket
        if text == "2":
            with self.sending:
                self.socket.send("3")
        elif text.startswith("40"):
            self.register()
        elif text.startswith("43"):
            number, _, rest = text[2:].partition("[")
            self.acks.pop(int(number))(json.loads(f"[{rest}")[0])
        elif text.startswith("42"):
            name, message = json.loads(text[2:])
            self.hear(name, message)
        elif text.startswith("41"):
            self.socket.close()

    # -- what the site says -----------------------------------------------------------------------------------------

    def register(self) -> None:
        if FAULT == "is another after a break":
            self.boot_id = f"boot-{random.random()}"
        message = {
            "space_name": SPACE.lower() if FAULT == "spells the space otherwise" else SPACE,
            "token": "" if FAULT == "keeps its token" else TOKEN,
            "protocol": 2,
            "worker_id": "plain",
            "boot_id": self.boot_id,
            "capacity": 8,
            "in_flight": [] if FAULT == "lists nothing" else self.leases(),
        }
        self.emit("register", message)

    def leases(self) -> list[Message]:
        mine = {**self.held, **self.outbox}
        return [{"request_id": key, "lease_id": each["lease_id"]} for key, each in mine.items()]

    def hear(self, name: str, message: Message) -> None:
        if name == "register_response":
            self.registered(message)
        elif name == "inference_request":
            self.asked(message)
        elif name == "inference_cancel" and FAULT != "is deaf to cancel":
            self.held.pop(message["request_id"], None)
        elif name not in ("inference_cancel", "site_draining") and FAULT == "stumbles":
            sys.exit(f"what is {name}?")

    def registered(self, response: Message) -> None:
        if not response["success"]:
            if response.get("code") in PATIENT and FAULT != "gives up at once":
                return
            raise Refused(response["message"])
        self.welcome = True
        self.beat_s = 4.0 if FAULT == "beats as it likes" else response["heartbeat_seconds"]
        self.most_bytes = response["max_payload_bytes"]
        if FAULT == "gossips":
            self.emit("worker_news", {"text": "hello"})
        for message in list(self.outbox.values()):
            self.send(message)

    def asked(self, message: Message) -> None:
        if self.draining or (FAULT == "wants words" and not message["payload"]["prompt"]):
            return
        self.held[message["request_id"]] = message
        if FAULT == "works on the socket's thread":
            self.run(message)
        else:
            self.waiting.put(message)

    # -- the work ---------------------------------------------------------------------------------------------------

    def work(self) -> None:
        while (message := self.next()) is not None:
            self.run(message)

    def next(self) -> Message | None:
        first = self.waiting.get()
        if FAULT == "takes the last first" and first is not None:
            time.sleep(0.05)
            with suppress(queue.Empty):
                latest = self.waiting.get_nowait()
                self.waiting.put(first)
                return latest
        return first

    def run(self, message: Message) -> None:
        key, payload = message["request_id"], message["payload"]
        if self.held.get(key) is not message:
            return
        self.tell(message)
        time.sleep(float(SECONDS))
        try:
            for file in payload.get("files", ()):
                fetch(file)
            if payload["prompt"] == "divide by zero" and FAULT != "hides failures":
                raise ValueError("cannot divide by zero")
            result: Message = {"status": "completed", "result": {"text_output": payload["prompt"]}}
        except (OSError, ValueError) as error:
            if FAULT == "dies of failures":
                finish(9)
            result = {"status": "failed", "result": {} if FAULT == "fails silently" else {"error": str(error)}}
        lease = message["lease_id"]
        if FAULT == "stays with the first lease":
            lease = self.first_lease.setdefault(key, lease)
        result |= {"request_id": key, "lease_id": lease}
        self.make_small(result, message["upload_url"])
        if self.held.get(key) is not message or FAULT == "says nothing":
            return
        self.outbox[key] = result
        del self.held[key]
        self.send(result)
        if FAULT == "says it twice":
            self.send(result)
        if FAULT == "hangs up" and self.socket is not None:
            self.socket.close()

    def tell(self, message: Message) -> None:
        ids = {"request_id": message["request_id"], "lease_id": message["lease_id"]}
        for number, percent in enumerate((10, 20), start=1):
            seq = 1 if FAULT == "counts wrongly" else number
            self.emit(
                "inference_progress", {**ids, "seq": seq, "percent": f"{percent}%" if FAULT == "shouts" else percent}
            )

    def make_small(self, message: Message, upload_url: str) -> None:
        body = json.dumps(message["result"]).encode()
        if len(body) < self.most_bytes - 300 or FAULT == "sends it all by socket":
            return
        for number in itertools.count():
            key = f"{message['lease_id']}-{number if FAULT == 'uploads anew' else 0}"
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": key,
                "X-File-Name": "result.json",
                "X-File-SHA256": "0" * 64 if FAULT == "cannot count" else hashlib.sha256(body).hexdigest(),
            }
            try:
                urllib.request.urlopen(urllib.request.Request(upload_url, body, headers)).close()
                break
            except urllib.error.HTTPError as error:
                if error.code != 503 or FAULT == "uploads once":
                    message |= {"status": "failed", "result": {"error": str(error)}}
                    return
                time.sleep(0.1)
        message["result"] = {"text_output": "See result.json."}

    # -- results ----------------------------------------------------------------------------------------------------

    def send(self, message: Message) -> None:
        if FAULT == "asks for no acknowledgement":
            self.emit("inference_result", message)
        else:
            self.emit("inference_result", message, lambda answer: self.acknowledged(message, answer))

    def acknowledged(self, message: Message, answer: Message) -> None:
        key, code = message["request_id"], answer.get("code")
        if answer["ok"] or FAULT == "believes any answer" or (code in FINAL and FAULT != "is stubborn"):
            self.outbox.pop(key, None)
        elif code == "message_too_large":
            self.outbox.pop(key, None)
            if FAULT != "keeps its troubles to itself":
                self.outbox[key] = {**message, "status": "failed", "result": {"error": answer["message"]}}
                self.send(self.outbox[key])

    def beat(self) -> None:
        while True:
            time.sleep(min(self.beat_s, 0.1) if FAULT != "beats as it likes" else 4)
            if FAULT != "has no heart" and self.welcome:
                self.emit("heartbeat", {"in_flight": self.leases()}, self.beaten)

    def beaten(self, answer: Message) -> None:
        for key in () if FAULT == "is deaf to stop" else answer["stop"]:
            self.held.pop(key, None)

    # -- the end ----------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        self.draining = True
        self.emit("drain", {})
        while self.held or self.outbox:
            time.sleep(0.02)
        with suppress(OSError, websocket.WebSocketException):
            if self.socket is not None:
                self.socket.close()
        finish(0)


def fetch(file: Message) -> None:
    """Raises OSError or ValueError."""
    url = file["url"].partition("?")[0] if FAULT == "shortens addresses" else file["url"]
    with urllib.request.urlopen(url) as answer:
        body = answer.read()
    if hashlib.sha256(body).hexdigest() != file["sha256"] and FAULT != "trusts files":
        raise ValueError(f"{file['name']} is another file")


def finish(code: int) -> None:
    os._exit(code)


def on_sigterm(worker: PlainWorker) -> None:
    if FAULT == "is deaf to SIGTERM":
        return
    if FAULT == "drops all at SIGTERM":
        finish(0)
    threading.Thread(target=worker.drain, daemon=True).start()


def main() -> None:
    worker = PlainWorker()
    signal.signal(signal.SIGTERM, lambda number, frame: on_sigterm(worker))
    for task in (worker.work, worker.beat):
        threading.Thread(target=task, daemon=True).start()
    try:
        worker.serve()
    except Refused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
