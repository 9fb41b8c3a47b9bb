"""`rotnet serve`: a page in the browser."""

from __future__ import annotations

import argparse
from typing import Any

from rotnet.cli.common import LENIENT_TURNS, add_command, add_lenient, add_model, complain, count
from rotnet.errors import OutputError, require

CONNECTIONS = 200  # more are told at once that the server is busy


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "serve",
        run,
        "open a page on which pictures are dropped and turned upright",
        "rotnet serve --open",
        "curl --data-binary @crooked.jpg http://127.0.0.1:8360/predict",
        "curl --data-binary @crooked.jpg 'http://127.0.0.1:8360/correct?crop=keep' -o upright.jpg",
    )
    add_model(parser)
    add_lenient(parser, LENIENT_TURNS)
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any but those of this computer lets others in; default: 127.0.0.1",
    )
    parser.add_argument("--port", type=int, default=8360, help="default: 8360")
    parser.add_argument("--open", action="store_true", help="open the page in the browser at once")
    parser.add_argument(
        "--max-megabytes", type=count, default=64, metavar="MB", help="largest file that is taken; default: 64"
    )
    parser.add_argument(
        "--max-megapixels", type=count, default=100, metavar="MP", help="largest picture that is taken; default: 100"
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    import signal
    import socket
    import webbrowser

    for package in ("starlette", "uvicorn"):
        require(package, "web", "the page")
    import uvicorn

    from rotnet.web import Limits, create_app
    from rotnet.web.guard import names_of
    from rotnet.web.protocol import TimedProtocol

    limits = Limits(bytes=options.max_megabytes * 1_000_000, pixels=options.max_megapixels * 1_000_000)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        listening = socket.create_server((options.host, options.port), family=family)
    except (OSError, OverflowError) as error:
        problem = (
            f"{shown}:{options.port} cannot be listened on: {str(error).rstrip('.')}; choose another --port or --host"
        )
        raise OutputError(problem) from error
    with listening:
        hosts = names_of(options.host, listening.getsockname()[0])
        app = create_app(options.model, limits=limits, hosts=hosts, strict=not options.lenient)
        config = uvicorn.Config(
            app,
            http=TimedProtocol,
            ws="none",
            log_config=None,  # configured anew, logging would close streams that it does not own
            log_level="warning",
            server_header=False,
            limit_concurrency=CONNECTIONS,
        )
        server = uvicorn.Server(config)
        signal.signal(signal.SIGINT, server.handle_exit)  # for whoever ends it as soon as it has told where it is
        address = f"http://{shown}:{listening.getsockname()[1]}"
        print(f"rotnet is at {address} (Ctrl-C ends it)", flush=True)
        if options.open and not webbrowser.open(address):  # it asks before the server answers, and waits
            complain(f"there is no browser to open {address} in")
        server.run(sockets=[listening])
    return 0
