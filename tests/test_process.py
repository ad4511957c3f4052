"""Of the process: what it gives back to the system, and that it goes on as before."""

import subprocess
import sys

SCRIPT = """
import duckdb, psutil
from blackhole.runtime import process

connection = duckdb.connect(config={"threads": 1})
ask = "SELECT sum(x), count(DISTINCT x % 7) FROM range(100000) t(x)"
before = connection.execute(ask).fetchall()
full = psutil.Process().memory_info().rss
process.give_memory_back()
given = full - psutil.Process().memory_info().rss
assert connection.execute(ask).fetchall() == before == [(4999950000, 7)]
print(given)
"""


def test_code_that_ran_at_the_start_is_given_back_and_everything_works_on() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 10 * 2**20
