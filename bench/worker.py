"""A worker that answers at once."""

import sys

from project.worker import Worker

if __name__ == "__main__":
    Worker(lambda job: {"text_output": "done"}, host=sys.argv[1], space=sys.argv[2], capacity=int(sys.argv[3])).run()
