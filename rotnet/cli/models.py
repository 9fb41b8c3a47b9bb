"""`rotnet models`: list the presets."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from rotnet.cli.common import add_command


def add(commands: Any) -> None:
    """Declare the command."""
    add_command(
        commands, "models", run, "list the presets: models to ask, and backbones to train from", "rotnet models"
    )


def run(options: argparse.Namespace) -> int:
    """Do what the options ask for, and return the exit status."""
    from rotnet.inference.model_card import is_number
    from rotnet.inference.presets import presets

    print(f"{'preset':<30}{'input':>9}{'size':>9}  {'mean':>6}{'median':>8}  {'licence':<12}for")
    for preset in presets().values():
        height, width = preset.input_size
        # figures by protocol: the first is the one that counts
        protocols = [one for one in (preset.errors, *preset.errors.values()) if isinstance(one, Mapping)]
        measured = next((one for one in protocols if "mean" in one), {})
        mean, median = (value if is_number(value := measured.get(key)) else None for key in ("mean", "median"))
        errors = f"{_degrees(mean):>6}{_degrees(median):>8}"
        size = f"{preset.bytes / 1e6:.1f} MB"
        print(f"{preset.name:<30}{f'{height}x{width}':>9}{size:>9}  {errors}  {preset.licence:<12}{preset.description}")
    return 0


def _degrees(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}°"
