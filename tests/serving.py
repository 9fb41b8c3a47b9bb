"""`rotnet serve` as its users run it."""

import re
import signal
import subprocess
import sys
from contextlib import contextmanager


@contextmanager
def serving(model, *options):
    """Address and process of `rotnet serve`, which must end well and without a word of complaint."""
    command = [sys.executable, "-m", "rotnet", "serve", "--model", model, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield re.search(r"http://\S+", process.stdout.readline())[0], process
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and process.stderr.read() == ""
