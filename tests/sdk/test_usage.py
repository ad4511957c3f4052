import time

from blackhole.sdk.usage import ProcessUsage


def test_cpu_is_the_percent_of_a_core_since_the_last_reading() -> None:
    usage = ProcessUsage()
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass
    busy = usage.cpu()
    time.sleep(0.3)
    idle = usage.cpu()
    assert busy > 5.0
    assert idle < busy


def test_memory_is_this_process_in_bytes() -> None:
    assert 2**20 < ProcessUsage().memory() < 2**36
