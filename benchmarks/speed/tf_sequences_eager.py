"""The tutorials' models of words without their `tf.function`: each line runs as it is read."""

from benchmarks.speed.tf_sequences import Tutorial, said, styles, taught


class Eager(Tutorial):
    """The same loops in plain Python."""

    def train_step(self, batch):
        return taught(self, batch)

    def generate(self, source, max_length):
        return said(self, source, max_length)


STYLES = styles(**{"eager loop": Eager})
