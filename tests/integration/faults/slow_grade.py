"""`wmc ...` that stops in one part of a grade and waits: its arguments are the part, a file that it makes there, ...

`offline` stops nowhere and gives build.sh no network, for an engine that has none.
"""

import signal
import sys
import time
from pathlib import Path

from harness import cli, stages
from harness.protocol import conversation
from harness.sandbox import network
from harness.sandbox.network import BuildNetwork
from harness.sandbox.process import ProcessSandbox

signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background ignore Ctrl-C
part, here = sys.argv[1], Path(sys.argv[2])


def stops(*_: object, **__: object) -> None:
    """Says that it is here, and stays."""
    here.touch()
    time.sleep(60)


if part == "offline":
    offline = BuildNetwork(settings={"network_mode": "none"}, description="none")
    network.build_network = lambda *_: offline
elif part == "build":
    build = ProcessSandbox._run_build_script

    def slow_build(self, place, **named):
        (place / "build.sh").write_text(f"#!/bin/sh\ntouch {here}\nsleep 60\n")
        build(self, place, **named)

    ProcessSandbox._run_build_script = slow_build
elif part == "run":
    conversation.Conversation.begin = stops
else:
    stages.Stages.look_at_pictures = stops
sys.exit(cli.main(sys.argv[3:]))
