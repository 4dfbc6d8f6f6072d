import sys

from tests.runtimes.processes import SLEEP, a_uid, ended, shell, until


def test_memory_is_that_of_all_its_processes_but_the_shim(driver):
    hold = f"{sys.executable} -c \"x = b'x' * 40_000_000; input()\""
    handle = driver.start(a_uid(), shell(f"sleep 60 | {hold} & sleep 60 | {hold}"))
    until(lambda: (driver.memory_mib(handle) or 0) > 76)
    idle = driver.start(a_uid(), SLEEP)
    assert until(lambda: driver.memory_mib(idle)) < 8
    driver.kill(handle)
    ended(driver, handle)
    assert driver.memory_mib(handle) is None
