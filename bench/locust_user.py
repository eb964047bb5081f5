"""What ``bench/load.py`` has Locust do: the same GET, again and again."""

from locust import FastHttpUser, task


class Getter(FastHttpUser):
    @task
    def get(self) -> None:
        self.client.get("/")
