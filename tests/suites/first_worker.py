"""A worker that knows version 1 and nothing else, as anybody would write it on the stock client.

python first_worker.py HOST SPACE SECONDS
"""

from __future__ import annotations

import queue
import sys
import threading
import time
from typing import Any

import socketio

HOST, SPACE, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
client = socketio.Client(reconnection_delay=0.3, reconnection_delay_max=2)
waiting: queue.Queue[dict[str, Any]] = queue.Queue()
refused = threading.Event()


@client.on("connect")
def connected() -> None:
    client.emit("register", {"space_name": SPACE})


@client.on("register_response")
def answered(response: dict[str, Any]) -> None:
    if not response["success"]:
        refused.set()


@client.on("inference_request")
def asked(request: dict[str, Any]) -> None:
    waiting.put(request)


def work() -> None:
    while True:
        request = waiting.get()
        time.sleep(SECONDS)
        result = {"text_output": request["payload"]["prompt"].upper()}
        message = {"request_id": request["request_id"], "status": "completed", "result": result}
        while not client.connected:
            time.sleep(0.05)
        client.emit("inference_result", message)


threading.Thread(target=work, daemon=True).start()
client.connect(HOST, transports=["websocket"])
while not refused.wait(0.1):
    pass
sys.exit("the site does not want this worker")
