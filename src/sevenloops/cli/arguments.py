"""What the commands' options have in common."""

import argparse
from typing import Any, TypeAlias

__all__ = ["INTEGER", "NUMBER", "Commands"]

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

INTEGER: dict[str, Any] = {"type": int, "metavar": "N"}
NUMBER: dict[str, Any] = {"type": float, "metavar": "X"}
