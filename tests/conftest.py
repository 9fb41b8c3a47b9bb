"""Settings of all tests."""

from hypothesis import settings

# a machine that does other work besides is slow, not wrong
settings.register_profile("rotnet", deadline=None)
settings.load_profile("rotnet")
