"""The store in memory: keeps nothing past the process. For tests, and for what must not be stored."""

from project.storage.memory.requests import memory_requests
from project.storage.memory.store import memory_store

__all__ = ["memory_requests", "memory_store"]
