"""``sevenloops download``: fetch a data set that is known by name."""

import argparse

from sevenloops.cli.arguments import Commands
from sevenloops.data import DOWNLOAD_NAMES, download

__all__ = ["add_to"]


def add_to(commands: Commands) -> None:
    """Add the command ``download``."""
    command = commands.add_parser(
        "download",
        help="fetch a data set",
        description="Fetch a data set, check it by its SHA-256, and put it where train finds it.",
        epilog="example: sevenloops download mnist",
    )
    command.set_defaults(run=_download)
    command.add_argument("name", choices=DOWNLOAD_NAMES, help=f"one of {', '.join(DOWNLOAD_NAMES)}", metavar="NAME")
    command.add_argument("--to", metavar="FOLDER", help="the folder for its files (default: where train finds it)")


def _download(options: argparse.Namespace) -> None:
    print(download(options.name, options.to))
