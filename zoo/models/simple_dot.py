"""Matrix factorization with a dot product, for recommender systems.

Yehuda Koren, Robert Bell, Chris Volinsky, "Matrix Factorization Techniques for Recommender
Systems", 2009, Computer 42(8) 30-37, equations 1 and 2.
"""

from typing import Any

import keras
import tensorflow as tf

import zoo
from blocks.checks import interval, non_negative_float, positive_int

MAX_ROWS = 2**26  # of an embedding


@zoo.register("simple_dot")
class SimpleDot(zoo.Recommender):
    """Matrix factorization: a rating is the dot product of a user's and an item's embedding.

    Calling it maps {"user": ids [batch], "item": ids [batch]} to ratings [batch].

    Args:
        num_users: number of users; ids are 0 ... num_users - 1.
        num_items: number of items; ids are 0 ... num_items - 1.
        embedding_dim: number of dimensions of the embeddings.
        l2_weight: weight, lambda, of the squared norms of the embeddings in the loss.
        rating_range: (lowest, highest) rating; `predict_ratings` clips to it.
    """

    def __init__(
        self,
        num_users: int = 400,
        num_items: int = 150,
        embedding_dim: int = 16,
        l2_weight: float = 0.02,
        rating_range: tuple[float, float] = (1.0, 5.0),
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.num_users = positive_int(num_users, "num_users", maximum=MAX_ROWS)
        self.num_items = positive_int(num_items, "num_items", maximum=MAX_ROWS)
        self.embedding_dim = positive_int(embedding_dim, "embedding_dim")
        self.l2_weight = non_negative_float(l2_weight, "l2_weight")
        self.rating_range = interval(rating_range, "rating_range")
        dtype = self.dtype_policy
        self.user_embedding = keras.layers.Embedding(num_users, embedding_dim, dtype=dtype)
        self.item_embedding = keras.layers.Embedding(num_items, embedding_dim, dtype=dtype)
        self.dot = keras.layers.Dot(axes=1, dtype=dtype)

    def build(self, input_shape: tuple | None = None) -> None:
        embedded_shape = (None, self.embedding_dim)
        self.user_embedding.build((None,))
        self.item_embedding.build((None,))
        self.dot.build([embedded_shape, embedded_shape])

    def configure_optimizers(self) -> dict[str, keras.optimizers.Optimizer]:
        return {"": zoo.optimizers.Adam(1e-2)}

    def train_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        r = batch["rating"]
        with tf.GradientTape() as tape:
            p, q = self.embed(batch)  # p_u and q_i
            error = r - self.dot_product(p, q)  # eq. 1
            squares = error**2 + self.l2_weight * squared_norms(p, q)
            loss = tf.reduce_mean(squares)  # eq. 2
        self.minimize(loss, tape)
        return {"loss": loss, "error": tf.reduce_mean(tf.abs(error))}

    def eval_step(self, batch: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        p, q = self.embed(batch)
        error = batch["rating"] - self.dot_product(p, q)
        return {"loss": error**2 + self.l2_weight * squared_norms(p, q), "error": tf.abs(error)}

    def embed(self, ids: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """The embeddings [batch, embedding_dim] of users and of items."""
        return self.user_embedding(ids["user"]), self.item_embedding(ids["item"])

    def dot_product(self, p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
        """q_i . p_u, the ratings that embeddings predict: float32 [batch]."""
        return tf.cast(self.dot([p, q])[:, 0], tf.float32)

    def call(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        return self.dot_product(*self.embed(inputs))

    @zoo.checked_method(users="user", items="item")
    def predict_ratings(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Predicted ratings of the items [n] by the users [n]: float32 [n] in `rating_range`."""
        return tf.clip_by_value(self({"user": users, "item": items}), *self.rating_range)


def squared_norms(p: tf.Tensor, q: tf.Tensor) -> tf.Tensor:
    """|p_u|^2 + |q_i|^2: float32 [batch]."""
    return sum(tf.reduce_sum(tf.cast(x, tf.float32) ** 2, axis=-1) for x in (p, q))
