from pathlib import Path

import httpx

from tests.durability.checker import read_executions
from tests.durability.dispatcher_process import POOLS, stage
from tests.durability.oracle import answer_of, noise
from tests.end_to_end.service import wait_until

OPTIONS = ("--delay-s", "5")


def test_a_slow_job_runs_once_also_when_the_dispatcher_sleeps_meanwhile(
    tmp_path: Path, seed: int
) -> None:
    image = noise(seed, 3000)
    with stage(tmp_path, "--queue", "sqlite", replicas=2, options=OPTIONS) as (dispatcher, fakes):
        dispatcher.start()
        dispatcher.wait_ready(pools=POOLS)
        with httpx.Client(base_url=dispatcher.url, timeout=30) as client:
            ticket = client.post(
                "/predict_async",
                params={"pipeline": "oracle"},
                content=image,
                headers={"Content-Type": "image/png"},
            ).json()
            logs = [fake.log for fake in fakes]
            wait_until(lambda: read_executions(*logs))
            dispatcher.pause()
            try:
                wait_until(lambda: read_executions(*logs)[-1].event == "end")
            finally:
                dispatcher.resume()
            first = client.get(ticket["status_url"], params={"wait": 20}).json()
            again = client.get(ticket["status_url"]).json()
        assert first["status"] == "completed"
        assert first["result"]["predictions"] == [answer_of(image, {})]
        assert first == again
        assert [e.event for e in read_executions(*logs)] == ["start", "end"]
