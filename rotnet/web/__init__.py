"""The page of `rotnet serve`: drop pictures, see them upright, adjust, download; and the same as a REST service."""

from .server import Limits, create_app

__all__ = ["Limits", "create_app"]
