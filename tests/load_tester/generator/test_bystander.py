import socket

from load_tester.generator.bystander import open_bystander
from load_tester.settings import TargetSettings
from tests.load_tester.grayscale_service import GrayscaleService, serve_grayscale


async def busy(service: GrayscaleService) -> bool:
    target = TargetSettings(urls=(service.url,))
    async with open_bystander(target, metrics_url=f"{service.url}/metrics") as bystander:
        return await bystander.is_busy()


async def test_a_service_with_a_queue_or_that_is_not_ready_is_busy() -> None:
    async with serve_grayscale(queue_size=[3]) as service:
        assert await busy(service)
        assert not await busy(service)
        service.ready_status = 503
        assert await busy(service)


async def test_metrics_are_read_without_the_key_of_another_host() -> None:
    async with serve_grayscale() as service, serve_grayscale() as elsewhere:
        service.asked.extend([{}, {}])
        target = TargetSettings(urls=(service.url,), api_key="secret")
        for url in (f"{service.url}/metrics", f"{elsewhere.url}/metrics"):
            async with open_bystander(target, metrics_url=url) as bystander:
                metrics = await bystander.read_metrics()
        assert metrics["dispatcher_queue_wait_seconds_count"] == 0
        assert service.keys == {"Bearer secret"}
        assert elsewhere.keys == {None}


async def test_nothing_is_known_of_a_service_that_is_not_there() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        target = TargetSettings(urls=(url,))
        async with open_bystander(target, metrics_url=f"{url}/none") as bystander:
            assert await bystander.read_metrics() == {}
            assert await bystander.is_busy() is False
