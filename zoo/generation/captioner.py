"""What all models share that say what is in a picture, from images to texts."""

import numpy as np
import tensorflow as tf

from blocks.checks import int_tuple
from zoo import text
from zoo.checks import check_numbers
from zoo.errors import UsageError
from zoo.generation.sequence_generator import Speaker
from zoo.model.method_arguments import convert_feature


class Captioner(Speaker):
    """Base of captioning models.

    Batches hold "image", float32 [b, h, w, c] in [0, 1], or in its place "features", float16
    [b, h, w, c]: what another network sees at each place of an image, as `zoo.data.image_features`
    keeps it. "caption" is int32 [b, t]: ids between START and END, zeros at the end of a row.

    Args:
        caption_vocabulary: how many ids there are; or a `zoo.text` vocabulary, or the text that its
            `to_json` gives, which is what is kept: a saved model brings its vocabulary along.
        image_shape: height, width and channels of an image, or of its features.
    """

    input_feature = "image"  # a model that sees features says so
    said = "caption"
    data_kind = "captions"
    default_dataset = "shapes"

    def __init__(self, caption_vocabulary, image_shape, **kwargs):
        super().__init__(**kwargs)
        self.know(caption=caption_vocabulary)
        self.image_shape = int_tuple(image_shape, "image_shape", 3)

    def map_of(self, network):
        """(rows, columns, channels) that a network makes of an image; raises ValueError if none."""
        shape = network.compute_output_shape((None, *self.image_shape))
        if not isinstance(shape, tuple) or len(shape) != 4:
            raise ValueError(
                f"the encoder makes {shape} of an image; a map (rows, columns, channels) is needed:"
                ' take it out from inside, as in encoder=zoo.feature_extractor(block, "1")'
            )
        return shape[1:]

    @property
    def map_shape(self):
        """(rows, columns) of the places that it looks at: what `say` gives weights of, in a row."""
        raise NotImplementedError

    @property
    def batch_spec(self):
        dtype = tf.float32 if self.input_feature == "image" else tf.float16
        return {
            self.input_feature: tf.TensorSpec((None, *self.image_shape), dtype),
            "caption": tf.TensorSpec((None, None), tf.int32),
        }

    def given(self, source):
        return convert_feature(self, self.input_feature, source)

    # Verbs.

    def caption(self, images, beam=1, limit=50, batch_size=64, **how):
        """What the model says of each image: a list of str.

        Args:
            images: [n, h, w, c], floats in [0, 1] or uint8; or the features it was trained on.
            beam, limit, **how: as in `generate`.
            batch_size: how many are looked at at a time.
        """
        how |= {"beam": beam, "limit": limit, "batch_size": batch_size}
        return self.caption_with_attention(images, 0, **how)[0]

    def caption_with_attention(self, images, num_maps=8, beam=1, limit=50, batch_size=64, **how):
        """Captions, and where the model looked for each word of them, by one search.

        Args:
            images, beam, limit, batch_size, **how: as in `caption`.
            num_maps: how many attention maps to return, of the first images.

        Returns (captions, maps): as `caption` and `attention` return them.
        """
        check_numbers(batch_size=batch_size, num_maps=num_maps, limit=limit)
        says = self.vocabulary("caption")
        captions, maps, images = [], [], self.given(images)
        for k in range(0, len(images), batch_size):
            found = self.generate(images[k : k + batch_size], beam, limit, **how)
            tokens, weights = self.best(found)
            captions += says.decode(tokens)
            for row in zip(tokens, weights, strict=True):
                if len(maps) < num_maps:
                    maps.append(self.attention_map(*row))
        return captions, maps

    def attention_map(self, caption, weights):
        """(pieces, maps [t, rows, columns]) of one caption, without its padding."""
        t = (caption != text.PAD).sum()
        maps = np.reshape(weights[:t], (t, *self.map_shape))
        return self.vocabulary("caption").pieces(caption[:t]), maps

    def attention(self, images, captions=None, limit=50, **how):
        """Where the model looked for each word: a list of (pieces of the caption, maps).

        Args:
            images: as in `caption`.
            captions: what it is to say; without them, what it says by itself.
            limit: of ids in a caption.
            **how: of the search without `captions`, as in `generate`.

        Returns, for each image, the pieces, as labels, and maps [t, rows, columns], each with the
        sum 1. The last piece is END, if it came within the limit.
        """
        check_numbers(limit=limit)
        says, images = self.vocabulary("caption"), self.given(images)
        if captions is None:
            tokens, weights = self.best(self.generate(images, limit=limit, **how))
        else:
            tokens = says.array(captions, marked=True, limit=limit)[:, 1:]
            if len(tokens) != len(images):
                raise UsageError(f"{len(images)} images need as many captions: {len(tokens)}")
            weights = self.alignments(images, tokens).numpy()
        return [self.attention_map(*row) for row in zip(tokens, weights, strict=True)]
