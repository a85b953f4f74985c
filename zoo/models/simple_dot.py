"""Matrix Factorization Techniques for Recommender Systems, in its simplest form.

Yehuda Koren, Robert Bell, Chris Volinsky, 2009, Computer 42(8) 30-37, equations 1 and 2.
"""

import keras
import tensorflow as tf

import zoo
from blocks.checks import at_least_one, at_least_zero, interval

MOST = 2**26  # users, or items


@zoo.register("simple_dot")
class SimpleDot(zoo.Model):
    """A point for each user and for each item; a rating is the dot product of two points.

    Calling it maps {"user": ids [batch], "item": ids [batch]} to ratings [batch].

    Args:
        users, items: how many there are; ids count from 0.
        embedding_dim: dimensions of the space of points.
        penalty: weight, lambda, of the squared lengths of the points in the loss.
        scale: lowest and highest rating there is: `rate` keeps within them.
    """

    input_feature = ("user", "item")
    data_kind = "ratings"
    default_dataset = "ratings"

    def __init__(
        self, users=400, items=150, embedding_dim=16, penalty=0.02, scale=(1.0, 5.0), **kwargs
    ):
        super().__init__(**kwargs)
        self.users = at_least_one(users, "users", most=MOST)
        self.items = at_least_one(items, "items", most=MOST)
        self.embedding_dim = at_least_one(embedding_dim, "embedding_dim")
        self.penalty = at_least_zero(penalty, "penalty")
        self.scale = interval(scale, "scale")
        self.user_points = keras.layers.Embedding(users, embedding_dim, dtype=self.dtype_policy)
        self.item_points = keras.layers.Embedding(items, embedding_dim, dtype=self.dtype_policy)
        self.dot = keras.layers.Dot(axes=1, dtype=self.dtype_policy)

    def build(self, input_shape=None):
        points = (None, self.embedding_dim)
        self.user_points.build((None,))
        self.item_points.build((None,))
        self.dot.build([points, points])

    def configure_optimizers(self):
        return {"": zoo.optimizers.Adam(1e-2)}

    @property
    def batch_spec(self):
        kinds = {"user": tf.int32, "item": tf.int32, "rating": tf.float32}
        return {name: tf.TensorSpec((None,), dtype) for name, dtype in kinds.items()}

    def check_feature(self, name, value, spec):
        super().check_feature(name, value, spec)
        if name in self.input_feature:
            count = getattr(self, f"{name}s")
            self.check_ids(f"{name!r} ids", value, count, f"{name}s=N for N of them")

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            found = {k: tf.reduce_mean(v) for k, v in self.eval_step(batch).items()}
        self.minimize(found["loss"], tape)
        return found

    def eval_step(self, batch):
        wrong = batch["rating"] - self(batch)  # r - q . p, eq. 1
        lengths = sum(tf.reduce_sum(tf.cast(x, tf.float32) ** 2, -1) for x in self.points(batch))
        return {"loss": wrong**2 + self.penalty * lengths, "error": tf.abs(wrong)}  # eq. 2

    def points(self, x):
        """The points [batch, embedding_dim] of users and of items."""
        return self.user_points(x["user"]), self.item_points(x["item"])

    def call(self, x):
        p, q = self.points(x)
        return tf.cast(self.dot([p, q])[:, 0], tf.float32)

    # Verb.

    @zoo.checked_method(users="user", items="item")
    def rate(self, users, items):
        """How the users [n] would rate the items [n]: float32 [n] within `scale`."""
        return tf.clip_by_value(self({"user": users, "item": items}), *self.scale)
