"""The contract every model of the zoo keeps, and the little that all of them share.

A model writes its paper down in `train_step` and `eval_step`; everything that is not in the paper
(loss scaling, replicas, clipping, averaging, seeds) lies behind `minimize` and `seed`.
"""

import collections
import contextlib
from types import MappingProxyType

import keras
import tensorflow as tf

from zoo import inspection
from zoo.errors import BatchError, UsageError
from zoo.optimizers import Adam
from zoo.registry import arguments


class Model(keras.Model):
    """Base of all models: `train_step` reads like the paper and runs eagerly or as a graph.

    Subclasses define `__init__` (arguments = configuration, one attribute each), `build()` (makes
    every weight), `call`, `train_step`, `eval_step` and `configure_optimizers`. They may offer the
    verbs `sample encode decode reconstruct interpolate translate`; figures and the command line
    find them.

    Batches are dicts named as TFDS names its features; images are float32 in [0, 1].
    """

    call_feature = None  # the batch feature that `call` takes; a tuple: a dict of these; or none
    data_kind = "images"  # what it learns from: the `kind` of data sets in `zoo.data.catalog`
    demo_data = "snowflakes"  # what the command line trains on when nobody says otherwise
    sub_batches = 1  # pieces of a batch that `zoo train` computes side by side on a CPU
    smallest_batch = 1  # examples that `train_step` needs, all but the last batch of an epoch

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()
        # Out of Keras' sight: weights files and `variables` hold no optimizers and no metrics.
        self.optimizers = MappingProxyType({})
        self.means = MappingProxyType({})
        self.gathered = None  # updates that wait, while `gathering`

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

    def settle(self):
        """Makes anew what hangs on the weights without being one; they have just been averaged."""

    @property
    def batch_spec(self):
        """What a batch must hold: feature name -> tf.TensorSpec (None where anything goes)."""
        return {"image": tf.TensorSpec((None, *self.image_shape), tf.float32)}

    def figures(self, batch):
        """What a person should look at: name -> image array, drawn from the verbs there are."""
        from zoo import figures

        return figures.of(self, batch)

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
        if self.gathered is None:
            self.apply(part, gradients)
        else:
            self.gathered.append((part, gradients))
        return list(zip(gradients, variables, strict=True))

    def apply(self, part, gradients):
        """One step of the part's optimizer."""
        # A table's gradient has a slice for each row that was asked for. Adam would square these
        # one by one, and the sum of squares is not the square of a sum.
        gradients = [g if g is None else tf.convert_to_tensor(g) for g in gradients]
        self.optimizers[part].apply(gradients, self.part(part).trainable_variables)

    @contextlib.contextmanager
    def gathering(self):
        """While open, `minimize` updates nothing: (part, gradients) go to the list this yields."""
        self.gathered = collections.deque()  # Keras would make a list its own
        try:
            yield self.gathered
        finally:
            self.gathered = None

    def seed(self, value=None):
        """An int32[2] seed for stateless ops and TFP, new at each call and on each replica.

        With a `value` (an integer, or such a seed), the seed that belongs to it, always the same.
        """
        if value is not None:
            value = tf.convert_to_tensor(value, tf.int32)
            return value if value.shape.rank else tf.stack([value, 0])
        key = tf.cast(self.seed_generator.next(), tf.int32)
        context = tf.distribute.get_replica_context()
        if context is None or context.num_replicas_in_sync == 1:
            return key
        return tf.random.experimental.stateless_fold_in(key, context.replica_id_in_sync_group)

    @property
    def step(self):
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
        chosen = ours if optimizers is None else optimizers
        if not isinstance(chosen, dict):
            chosen = {"": chosen}
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

    def check_batch(self, batch):
        """Raises BatchError unless a batch fits `batch_spec`: names, shapes, dtypes, ranges."""
        if not isinstance(batch, dict):
            raise BatchError(
                f"a batch is a dict with {[*self.batch_spec]}, got {type(batch).__name__};"
                " zoo.data.load gives such batches from names, arrays and folders"
            )
        for name, spec in self.batch_spec.items():
            if name not in batch:
                raise BatchError(f"{self.name} needs the feature {name!r}, got {[*batch]}")
            value = tf.convert_to_tensor(batch[name])
            self.check_feature(name, value, spec)
            if not len(value):
                raise BatchError(f"{self.name} got an empty batch: {name!r} has no example")

    def check_feature(self, name, value, spec):
        """Raises BatchError unless a feature of a batch, a tensor, fits its `batch_spec`.

        Inside a graph, where values are not known yet, only shape and dtype are looked at.
        """
        if not spec.shape.is_compatible_with(value.shape):
            another = f": image_shape={tuple(value.shape)[1:]}" if name == "image" else ""
            raise BatchError(
                f"{self.name} expects {name!r} of shape {tuple(spec.shape)}, got"
                f" {tuple(value.shape)}; what has another shape needs another model{another}"
            )
        is_image = spec.dtype.is_floating and spec.shape.rank == 4 and name != "features"
        if value.dtype != spec.dtype:
            scale = "; images are in [0, 1], so divide 0..255 by 255" if is_image else ""
            raise BatchError(
                f"{self.name} expects {name!r} as {spec.dtype.name}, got {value.dtype.name}{scale}"
            )
        if is_image and tf.executing_eagerly() and len(value):
            low, high = float(tf.reduce_min(value)), float(tf.reduce_max(value))
            if not (low >= 0 and high <= 1):
                raise BatchError(
                    f"{self.name} expects {name!r} in [0, 1], got {low:.4g} to {high:.4g}"
                )
        if name == "label":
            self.check_labels(value)

    def check_labels(self, labels):
        """Raises BatchError unless all labels are in 0 ... `classes` - 1."""
        self.check_ids("labels", labels, self.classes, "classes=N for N of them")

    def check_ids(self, what, ids, count, advice):
        """Raises BatchError, with advice, unless all ids are in 0 ... `count` - 1; see above."""
        if not tf.executing_eagerly():
            return
        low, high = (int(f(ids)) if tf.size(ids) else 0 for f in (tf.reduce_min, tf.reduce_max))
        if not 0 <= low <= high < count:
            raise BatchError(
                f"{self.name} expects {what} in 0 ... {count - 1}, got {low} to {high}; give it"
                f" {advice}"
            )

    # Plain Keras: compile, fit, evaluate, predict, save.

    def compile(self, optimizer=None, **kwargs):
        """Keras' `compile`; without an optimizer, those of `configure_optimizers` are used."""
        super().compile(optimizer=optimizer, **kwargs)

    def compile_from_config(self, config):
        if config.get("optimizer"):
            super().compile_from_config(config)
        else:
            self.compile()

    def fit(self, *args, **kwargs):
        """Keras' `fit`. Its logs are the last batch's; the Trainer's are means."""
        self.prepare(self.optimizer if self.compiled else None)
        return super().fit(*args, **kwargs)

    def test_step(self, batch):
        """Keras' `evaluate`: means over examples, exact on a ragged last batch."""
        values = self.eval_step(batch)
        if not self.means:
            self.means = MappingProxyType({name: keras.metrics.Mean(name) for name in values})
        for name, value in values.items():
            self.means[name].update_state(value)
        return {name: mean.result() for name, mean in self.means.items()}

    def predict_step(self, batch):
        """Keras' `predict`: calls the model on the feature it takes, or on a bare tensor."""
        one = isinstance(batch, dict) and not isinstance(self.call_feature, tuple)
        return self(batch[self.call_feature] if one else batch)

    @property
    def metrics(self):
        return [*super().metrics, *self.means.values()]

    def get_config(self):
        """Constructor arguments by name, as JSON: the signature is the schema."""
        own = {name: plain(getattr(self, name)) for name in arguments(type(self))}
        return {**super().get_config(), **keras.saving.serialize_keras_object(own)}

    @classmethod
    def from_config(cls, config):
        return cls(**keras.saving.deserialize_keras_object(config))

    def get_build_config(self):
        return {"input_shape": None}  # nothing to know, but an empty dict would not be built at all

    def build_from_config(self, config):
        if not self.built:
            self.build()


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


def plain(value):
    """A constructor argument as JSON would have it: tuples as lists, classes by their name."""
    if isinstance(value, tuple):
        return list(value)
    return keras.saving.get_registered_name(value) if isinstance(value, type) else value
