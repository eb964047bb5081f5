"""The least this stack can do: one Flask view, served by the same server with the same settings."""

import sys

from project.bootstrap import MODE, listen, patch, serve

patch(MODE)

from flask import Flask  # noqa: E402

app = Flask("hello")


@app.get("/")
def hello() -> str:
    return "hello"


if __name__ == "__main__":
    listener = listen("127.0.0.1", int(sys.argv[1]))
    print(f"Running on http://127.0.0.1:{listener.getsockname()[1]} ", flush=True)
    serve(MODE, listener, app)
