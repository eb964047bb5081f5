"""A worker that answers at once: that it is done, or with the prompt, in the format it is told."""

import sys

from project.worker import Worker

if __name__ == "__main__":
    host, space, capacity, *formats = sys.argv[1:]
    done = {"text_output": "done"}
    Worker(
        lambda job: {"text_output": job.prompt, "format": formats[0]} if formats else done,
        host=host,
        space=space,
        capacity=int(capacity),
    ).run()
