"""Matrix Factorization Techniques for Recommender Systems, in its simplest form.

Yehuda Koren, Robert Bell, Chris Volinsky, 2009, Computer 42(8) 30-37, equations 1 and 2.
"""

import keras
import tensorflow as tf

import zoo
from blocks.checks import interval, non_negative_float, positive_int

MAX_ROWS = 2**26  # users, or items


@zoo.register("simple_dot")
class SimpleDot(zoo.Model):
    """A point for each user and for each item; a rating is the dot product of two points.

    Calling it maps {"user": ids [batch], "item": ids [batch]} to ratings [batch].

    Args:
        num_users, num_items: how many there are; ids count from 0.
        embedding_dim: dimensions of the space of points.
        l2_weight: weight, lambda, of the squared lengths of the points in the loss.
        rating_range: lowest and highest rating there is: `predict_ratings` keeps within them.
    """

    input_feature = ("user", "item")
    data_kind = "ratings"
    default_dataset = "ratings"

    def __init__(
        self,
        num_users=400,
        num_items=150,
        embedding_dim=16,
        l2_weight=0.02,
        rating_range=(1.0, 5.0),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_users = positive_int(num_users, "num_users", maximum=MAX_ROWS)
        self.num_items = positive_int(num_items, "num_items", maximum=MAX_ROWS)
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.l2_weight = non_negative_float(l2_weight, "l2_weight")
        self.rating_range = interval(rating_range, "rating_range")
        self.user_embedding = keras.layers.Embedding(
            num_users, embedding_dim, dtype=self.dtype_policy
        )
        self.item_embedding = keras.layers.Embedding(
            num_items, embedding_dim, dtype=self.dtype_policy
        )
        self.dot = keras.layers.Dot(axes=1, dtype=self.dtype_policy)

    def build(self, input_shape=None):
        points = (None, self.embedding_dim)
        self.user_embedding.build((None,))
        self.item_embedding.build((None,))
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
            count = getattr(self, f"num_{name}s")
            self.check_ids(f"{name!r} ids", value, count, f"num_{name}s=N for N of them")

    def train_step(self, batch):
        with tf.GradientTape() as tape:
            found = {k: tf.reduce_mean(v) for k, v in self.eval_step(batch).items()}
        self.minimize(found["loss"], tape)
        return found

    def eval_step(self, batch):
        error = batch["rating"] - self(batch)  # r - q . p, eq. 1
        squared_norms = sum(
            tf.reduce_sum(tf.cast(x, tf.float32) ** 2, -1) for x in self.embed(batch)
        )
        return {"loss": error**2 + self.l2_weight * squared_norms, "error": tf.abs(error)}  # eq. 2

    def embed(self, x):
        """The points [batch, embedding_dim] of users and of items."""
        return self.user_embedding(x["user"]), self.item_embedding(x["item"])

    def call(self, x):
        p, q = self.embed(x)
        return tf.cast(self.dot([p, q])[:, 0], tf.float32)

    # Verb.

    @zoo.checked_method(users="user", items="item")
    def predict_ratings(self, users, items):
        """How the users [n] would rate the items [n]: float32 [n] within `rating_range`."""
        return tf.clip_by_value(self({"user": users, "item": items}), *self.rating_range)
