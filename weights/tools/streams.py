"""Examples for the tools that teach, and the arithmetic they are taught with.

To be imported before Keras, which then multiplies in bfloat16 where a processor has AMX, and sums in float32.
"""

import os
from pathlib import Path

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as `rotnet train` has it
if os.path.exists("/proc/cpuinfo") and "amx_bf16" in Path("/proc/cpuinfo").read_text():
    os.environ.setdefault("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")

import numpy as np  # noqa: E402

from rotnet import RotNetDataGenerator  # noqa: E402

EPOCH = 9_600  # examples between two backups: some minutes


class Balanced(RotNetDataGenerator):
    """Draws a number of examples an epoch, each picture as often as its share says."""

    def __init__(self, images, drawn, *, examples, **kwargs):
        self._drawn, self._drawn_each_epoch = drawn, examples
        super().__init__(images, **kwargs)

    def __len__(self):
        return self._drawn_each_epoch // self.batch_size

    def _order(self, epoch):
        rng = np.random.default_rng((self.seed, epoch, 0, 1))
        return rng.choice(len(self._drawn), self._drawn_each_epoch, p=self._drawn)
