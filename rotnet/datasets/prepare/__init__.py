"""From a messy folder to a data set: look at every picture, decide which are fit, write those and a manifest."""

from .dataset import prepare
from .deciding import Row, Settings

__all__ = ["Row", "Settings", "prepare"]
