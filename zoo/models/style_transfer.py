"""A Neural Algorithm of Artistic Style.

Leon A. Gatys, Alexander S. Ecker, Matthias Bethge, 2015, arXiv 1508.06576.
"""

import keras
import tensorflow as tf

import zoo
from blocks.checks import int_tuple, non_negative_float, one_of, str_tuple
from blocks.feature_network import FeatureNetwork, frozen_copy
from blocks.image_optimization import minimize_image
from blocks.style import Canvas, gram_matrix, layer_error, to_rgb_batch, total_variation


@zoo.register("style_transfer")
class StyleTransfer(zoo.Model):
    """Paints the content of one picture in the style of another; the canvas is all that learns.

    Batches hold "content" and "style"; of several pairs the canvas becomes a compromise. Calling it
    maps pictures [batch, h, w, c] to their style, all Gram matrices in a row: [batch, numbers].

    Args:
        image_shape: (rows, columns, channels) of the canvas; 1 or 3 channels.
        feature_network: the network that looks, as in `blocks.feature_network.FeatureNetwork`:
            "random", the default, since it needs no file; "vgg19", the paper's; a path; or a Keras
            model, of which this one keeps a copy.
        content_layers: names of the layers that the content is compared in.
        style_layers: those that the style is compared in.
        content_weight: alpha of eq. 7.
        style_weight: beta of eq. 7.
        total_variation_weight: of the total variation, which the paper has not: it smooths.
    """

    input_feature = "content"
    default_dataset = "pictures"

    def __init__(
        self,
        image_shape=(256, 256, 3),
        feature_network="random",
        content_layers=("block3_conv1",),
        style_layers=("block1_conv1", "block2_conv1", "block3_conv1"),
        content_weight=1.0,
        style_weight=50.0,
        total_variation_weight=1.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)
        is_model = isinstance(feature_network, keras.Model)
        self.feature_network = frozen_copy(feature_network) if is_model else feature_network
        self.content_layers = str_tuple(content_layers, "content_layers")
        self.style_layers = str_tuple(style_layers, "style_layers")
        self.content_weight = non_negative_float(content_weight, "content_weight")
        self.style_weight = non_negative_float(style_weight, "style_weight")
        self.total_variation_weight = non_negative_float(
            total_variation_weight, "total_variation_weight"
        )

        layers = dict.fromkeys(self.content_layers + self.style_layers)
        self.network = FeatureNetwork(self.feature_network, [*layers], dtype=self.dtype_policy)
        self.canvas = Canvas(self.image_shape, dtype=self.dtype_policy)

    def build(self, input_shape=None):
        self.network.build((None, *self.image_shape))
        self.canvas.build()

    @property
    def batch_spec(self):
        spec = tf.TensorSpec((None, *self.image_shape), tf.float32)
        return {"content": spec, "style": spec}

    def configure_optimizers(self):
        return {"": zoo.optimizers.Adam(0.02)}

    def adapt(self, data):
        """Begins at white noise, unless the canvas has been painted on before."""
        if self.canvas.is_blank():
            self.canvas.pixels.assign(self.noise(self.canvas.pixels.shape))

    def train_step(self, batch):
        targets = self.targets(batch["content"], batch["style"])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self.canvas.pixels.value)  # the network does not learn
            losses = self.losses(self.canvas(), targets)
            loss = tf.reduce_mean(losses["loss"])
        self.minimize(loss, tape)
        return {name: tf.reduce_mean(value) for name, value in losses.items()}

    def eval_step(self, batch):
        return self.losses(self.canvas(), self.targets(batch["content"], batch["style"]))

    def content_features(self, features):
        """F^l of the content layers."""
        return {layer: features[layer] for layer in self.content_layers}

    def gram_matrices(self, features):
        """G^l of the style layers, eq. 3."""
        return {layer: gram_matrix(features[layer]) for layer in self.style_layers}

    def targets(self, content, style):
        """What the canvas is to have: P^l of the content and A^l of the style."""
        return self.content_features(self.network(content)), self.gram_matrices(self.network(style))

    def losses(self, x, targets):
        """Losses of a picture x [1, h, w, c] by name; one number for each pair aimed at."""
        features, (p, a) = self.network(x), targets
        content = layer_error(self.content_features(features), p)  # eq. 1
        style = layer_error(self.gram_matrices(features), a)  # eq. 4, 5
        variation = total_variation(x) + tf.zeros_like(content)
        loss = self.content_weight * content + self.style_weight * style  # eq. 7
        return {
            "loss": loss + self.total_variation_weight * variation,
            "content_loss": content,
            "style_loss": style,
            "total_variation": variation,
        }

    def call(self, images):
        grams = self.gram_matrices(self.network(images)).values()
        return tf.concat([tf.reshape(g, (-1, g.shape[1] * g.shape[2])) for g in grams], axis=-1)

    def noise(self, shape, seed=None):
        """White noise in [0, 1)."""
        return tf.random.stateless_uniform(shape, self.as_seed(seed))

    def stylized_image(self):
        """The canvas as a picture: [h, w, c] in [0, 1]."""
        return tf.clip_by_value(self.canvas()[0], 0.0, 1.0)

    @zoo.checked_method(content="single_image", style="single_image", steps="steps")
    def stylize(
        self, content, style, steps=300, optimizer="lbfgs", init="content", seed=None, callback=None
    ):
        """Paints `content` in the style of `style` on a canvas of its own; nothing here changes.

        Args:
            content, style: pictures [h, w, 1 or 3], floats in [0, 1] or uint8, of any size.
            steps: iterations of the optimizer.
            optimizer: "lbfgs", "adam", or a new Keras optimizer. To them, pixels have no bounds.
            init: "content", or "noise" as in the paper.
            seed: of the noise.
            callback: called with (picture, entry of the history) at the start and now and then.

        Returns:
            (picture [h, w, 3] in [0, 1], history: a list of what `descent` says on its way).

        Raises:
            ValueError: no picture, one too small for the network, an unknown word.
        """
        content, style = to_rgb_batch(content, "content"), to_rgb_batch(style, "style")
        self.network.check(content.shape)
        self.network.check(style.shape)
        noisy = one_of(init, ("content", "noise"), "init") == "noise"
        x = self.noise(content.shape, seed) if noisy else content
        optimizer = self.configure_optimizers()[""] if optimizer == "adam" else optimizer
        targets, history = self.targets(content, style), []
        for entry, at in minimize_image(lambda x: self.losses(x, targets), x, steps, optimizer):
            history.append(entry)
            shown = tf.clip_by_value(at[0], 0.0, 1.0)
            if callback:
                callback(shown, entry)
        return shown, history
