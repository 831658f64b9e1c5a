"""Users of Locust that submit an image and wait for its result, over and over without a pause.

Locust's faster client is used. The image is named by the environment variable IMAGE.
"""

import os
from pathlib import Path

from locust import FastHttpUser, constant, task

_IMAGE = Path(os.environ["IMAGE"])
_HEADERS = {"Content-Type": "image/jpeg", "X-Filename": _IMAGE.name}


class Submitter(FastHttpUser):
    """One user."""

    wait_time = constant(0)
    body = _IMAGE.read_bytes()

    @task
    def submit_and_wait(self) -> None:
        """Send the image and hold a look until its result is there."""
        # Bytes are sent as they are, although Locust's types know only text.
        ticket = self.client.post("/predict_async", data=self.body, headers=_HEADERS)  # type: ignore[arg-type]
        request_id = ticket.json()["request_id"]
        self.client.get(f"/result/{request_id}?wait=20", name="/result")
