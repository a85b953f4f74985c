"""The contract every model of the zoo keeps, and the little that all of them share.

A model writes its paper down in `train_step` and `eval_step`; everything that is not in the paper
(loss scaling, replicas, clipping, averaging, seeds) lies behind `minimize` and `seed`. What a batch
must hold is checked in `zoo.model.batch_checks`; what Keras does with a model is in
`zoo.model.keras_methods`.
"""

import collections
import contextlib
import numbers
import threading
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf

from zoo import inspection
from zoo.checks import SEED, check_numbers
from zoo.errors import UsageError
from zoo.model.keras_methods import KerasMethods
from zoo.optimizers import Adam, as_one, as_parts

SEED_LOCK = threading.Lock()  # for all models: reading and advancing a seed is one operation


class Model(KerasMethods):
    """Base of all models: `train_step` reads like the paper and runs eagerly or as a graph.

    Subclasses define `__init__` (arguments = configuration, one attribute each), `build()` (makes
    every weight), `call`, `train_step`, `eval_step` and `configure_optimizers`. They may offer the
    verbs `sample encode decode reconstruct interpolate translate`; figures and the command line
    find them.

    Batches are dicts named as TFDS names its features; images are float32 in [0, 1].
    """

    input_feature = None  # the batch feature that `call` takes; a tuple: a dict of these; or none
    data_kind = "images"  # what it learns from: the `kind` of data sets in `zoo.data.catalog`
    default_dataset = "snowflakes"  # what the command line trains on when nobody says otherwise
    micro_batches = 1  # pieces of a batch that `zoo train` computes side by side on a CPU
    smallest_batch = 1  # examples that `train_step` needs, all but the last batch of an epoch

    def __init__(self, **kwargs):
        dtype = kwargs.pop("dtype", None)
        policy = keras.config.dtype_policy() if dtype is None else keras.dtype_policies.get(dtype)
        if dtype is None and policy.variable_dtype != "float32":  # such as floatx of keras.json
            policy = keras.dtype_policies.get("float32")
        if policy.compute_dtype == "float64":
            raise ValueError(f"dtype must be float32 or mixed precision, got {policy.name!r}")
        super().__init__(dtype=policy, **kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        # Out of Keras' sight: weights files and `variables` hold no optimizers and no metrics.
        self.optimizers = MappingProxyType({})
        self.means = MappingProxyType({})
        self._traced = {}  # checks of batches, see `zoo.model.batch_checks`
        self.accumulated = None  # updates that wait, while `accumulating`

    # What a subclass writes.

    def train_step(self, batch):
        """One step of the paper's algorithm, ending in `minimize`; returns scalars to log."""
        raise NotImplementedError

    def eval_step(self, batch):
        """What `train_step` logs, without learning: one value PER EXAMPLE, shape [batch].

        What compares examples with each other has no value for a batch of one: shape [0].
        """
        raise NotImplementedError

    def configure_optimizers(self):
        """The paper's optimizers: {"": one for all}, or one per part: {"generator": ..., ...}.

        A part is the name of the attribute that holds the layer to be trained.
        """
        return {"": Adam(1e-3)}

    def adapt(self, data):
        """Looks at the training data, an iterable of batches, once before the first step."""

    def on_weights_averaged(self):
        """Makes anew what hangs on the weights without being one; they have just been averaged."""

    @property
    def batch_spec(self):
        """What a batch must hold: feature name -> tf.TensorSpec (None where anything goes)."""
        return {"image": tf.TensorSpec((None, *self.image_shape), tf.float32)}

    def figures(self, batch):
        """What a person should look at: name -> image array, drawn from the verbs there are."""
        from zoo import figures

        return figures.all_figures(self, batch)

    # What a step calls.

    def minimize(self, loss, tape, part=""):
        """One step of the part's optimizer down the gradient of `loss`, a local batch mean.

        Scales the loss where the precision needs it and averages over replicas; clipping,
        accumulation and moving averages are the optimizer's own arguments. Frozen variables stay.
        Returns the list of (gradient, variable).
        """
        optimizer = self.optimizers[part]
        variables = self.part(part).trainable_variables
        replicas = tf.distribute.get_strategy().num_replicas_in_sync  # gradients are summed
        scale = optimizer.scale_loss(tf.ones_like(loss) / replicas)
        values = [variable.value for variable in variables]
        gradients = tape.gradient(loss, values, output_gradients=scale)
        if self.accumulated is None:
            self.apply_gradients(part, gradients)
        else:
            self.accumulated.append((part, gradients))
        return list(zip(gradients, variables, strict=True))

    def apply_gradients(self, part, gradients):
        """One step of the part's optimizer."""
        # A table's gradient has a slice for each row that was asked for. Adam would square these
        # one by one, and the sum of squares is not the square of a sum.
        gradients = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
        self.optimizers[part].apply(gradients, self.part(part).trainable_variables)

    @contextlib.contextmanager
    def accumulating(self):
        """While open, `minimize` updates nothing: (part, gradients) go to the list this yields."""
        self.accumulated = collections.deque()  # Keras would make a list its own
        try:
            yield self.accumulated
        finally:
            self.accumulated = None

    def next_seed(self) -> tf.Tensor:
        """A new int32[2] seed for stateless ops and TFP: different in each call and replica."""
        with SEED_LOCK if tf.executing_eagerly() else contextlib.nullcontext():
            key = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return key
        return tf.random.experimental.stateless_fold_in(key, context.replica_id_in_sync_group)

    def as_seed(self, value: int | tf.Tensor | None = None) -> tf.Tensor:
        """The int32[2] seed for a `seed` argument: always the same for a value, new for None.

        Args:
            value: an integer from 0 up, an int32[2], or None for `next_seed()`.

        Raises:
            UsageError: any other value.
        """
        return self.next_seed() if value is None else to_seed(value)

    @property
    def iterations(self):
        """Number of steps taken so far, a float32 scalar that schedules can be asked with."""
        optimizer = next(iter(self.optimizers.values()), None)
        return tf.cast(optimizer.iterations, tf.float32) if optimizer else tf.constant(0.0)

    # What the trainer and Keras call.

    def part(self, name):
        """The layer that an optimizer's name stands for; "" is the whole model."""
        return getattr(self, name) if name else self

    def prepare(self, optimizers=None):
        """Builds the weights and the optimizers' state; done once, before the first step.

        Args:
            optimizers: as `configure_optimizers` returns them, in its place.
        """
        if not self.built:
            self.build()
        if self.optimizers and optimizers is None:
            return
        ours = self.configure_optimizers()
        chosen = ours if optimizers is None else as_parts(optimizers)
        if set(chosen) != set(ours):
            raise UsageError(f"{self.name} needs optimizers for {[*ours]}, got {[*chosen]}")
        scaled = keras.optimizers.LossScaleOptimizer
        if self.dtype_policy.compute_dtype == "float16":
            chosen = {k: v if isinstance(v, scaled) else scaled(v) for k, v in chosen.items()}
        for part, optimizer in chosen.items():
            if not optimizer.built:
                with all_trainable(self.part(part)) as layer:  # frozen parts may thaw later
                    optimizer.build(layer.trainable_variables)
        self.optimizers = MappingProxyType(chosen)
        if self.compiled:
            self.optimizer = as_one(chosen)

    def frozen(self, part):
        """Variables of a part that its optimizer knows and does not train."""
        learning = {id(variable) for variable in self.part(part).trainable_variables}
        with all_trainable(self.part(part)) as layer:
            return [v for v in layer.trainable_variables if id(v) not in learning]


@contextlib.contextmanager
def all_trainable(layer):
    """While open, no layer inside `layer` is frozen."""
    flags = [(one, one.trainable) for _, one in [("", layer), *inspection.layers(layer)]]
    variables = [(one, one.trainable) for one in layer.variables]
    for one, _ in flags:
        one.trainable = True
    try:
        yield layer
    finally:
        for one, trainable in [*flags, *variables]:  # outer layers first: they set those inside
            one.trainable = trainable


def to_seed(value):
    """The int32[2] that stateless ops take, of an integer from 0 up or of such a seed."""
    if isinstance(value, numbers.Integral):
        check_numbers(seed=value)
        value = np.array([value, 0])
    try:
        seed = tf.convert_to_tensor(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise UsageError(f"seed must be {SEED}, or an int32[2], got {value!r:.80}") from error
    if not seed.dtype.is_integer or seed.shape.as_list() not in ([], [2]):
        raise UsageError(f"seed must be {SEED}, or an int32[2], got {value!r:.80}")
    seed = tf.cast(seed, tf.int32)  # from 2**31 up, the same 32 bits
    return seed if seed.shape.rank else tf.stack([seed, 0])
