"""Examples for the tools that teach."""

import numpy as np

from rotnet import RotNetDataGenerator

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
