"""What all models share that put a text into other words, from text to text."""

import numpy as np
import tensorflow as tf

from zoo import text
from zoo.checks import check_numbers
from zoo.errors import BatchError, UsageError
from zoo.generation.sequence_generator import Speaker
from zoo.model.method_arguments import convert_feature

SIDES = ("source", "target")


class Translator(Speaker):
    """Base of translation models. Batches hold ids, int32, zeros at the end of a row.

    "source" is [b, s]; "target" is [b, t], between START and END.

    Args:
        source_vocabulary, target_vocabulary: how many ids there are; or a `zoo.text` vocabulary,
            or the text that its `to_json` gives, which is what is kept: a saved model brings its
            vocabularies along.
    """

    input_feature = "source"
    data_kind = "pairs"
    default_dataset = "dates"

    def __init__(self, source_vocabulary, target_vocabulary, **kwargs):
        super().__init__(**kwargs)
        self.know(source=source_vocabulary, target=target_vocabulary)

    def mixed(self, known, words, rate):
        """Words [b, t] of which a share `rate` gives way to the model's own guesses.

        Scheduled sampling in two passes: Mihaylova, Martins, "Scheduled Sampling for Transformers"
        (2019, arXiv 1906.07651). The rate is a number, or a callable of the step.
        """
        if not rate:
            return words
        guesses = tf.argmax(self.teach(known, words, training=True), -1, words.dtype)
        guesses = tf.concat([words[:, :1], guesses[:, :-1]], axis=1)
        rate = rate(self.iterations) if callable(rate) else rate
        chosen = tf.random.stateless_uniform(tf.shape(words), self.next_seed()) < rate
        return tf.where(chosen & (words != text.PAD), guesses, words)

    @property
    def batch_spec(self):
        return {side: tf.TensorSpec((None, None), tf.int32) for side in SIDES}

    def given(self, source):
        source = convert_feature(self, "source", source)
        if source.shape[1] == 0:
            raise BatchError(
                f"{self.name} needs a column of ids at least, zeros where there is no word; got"
                f" shape {tuple(source.shape)}"
            )
        self.check_words("source", source)
        return source

    def translate(self, texts, beam=1, limit=100, truncate=False, batch_size=64, **how):
        """What the model makes of each text: a list of str -> a list of str; "" stays "".

        Args:
            texts: str, or UTF-8 bytes.
            beam, limit, **how: as in `generate`.
            truncate: cut what has more than `limit` ids, instead of an error that names it.
            batch_size: how many are translated at a time.
        """
        how |= {"beam": beam, "limit": limit, "truncate": truncate, "batch_size": batch_size}
        return self.translate_with_attention(texts, 0, **how)[0]

    def translate_with_attention(
        self, texts, num_maps=8, beam=1, limit=100, truncate=False, batch_size=64, **how
    ):
        """Translations, and where the model looked for each word of them, by one search.

        Args:
            texts, beam, limit, truncate, batch_size, **how: as in `translate`.
            num_maps: how many attention maps to return, of the first texts that are not empty.

        Returns (translations, maps): as `translate` and `attention` return them.
        """
        check_numbers(batch_size=batch_size, num_maps=num_maps, limit=limit)
        reads, says = (self.vocabulary(side) for side in SIDES)  # errors before the search
        lines = [line if line.strip() else "" for line in text.readable(texts)]
        ids = reads.array(lines, limit=limit, truncate=truncate)
        lengths = (ids != text.PAD).sum(axis=1)
        order = [i for i in np.argsort(lengths, kind="stable") if lengths[i]]
        maps = dict.fromkeys(np.flatnonzero(lengths)[:num_maps])
        translations = [""] * len(ids)
        for k in range(0, len(order), batch_size):
            rows = order[k : k + batch_size]
            found = self.generate(ids[rows, : lengths[rows[-1]]], beam, limit, **how)
            tokens, weights = self.best(found)
            for i, sentence in zip(rows, says.decode(tokens), strict=True):
                translations[i] = sentence
            for i, words, looks in zip(rows, tokens, weights, strict=True):
                if i in maps:
                    maps[i] = self.attention_map(ids[i], words, looks)
        return translations, [*maps.values()]

    def attention_map(self, source, target, weights):
        """(source pieces, target pieces, weights [t, s]) of one sentence, without its padding."""
        s, t = (source != text.PAD).sum(), (target != text.PAD).sum()
        reads, says = (self.vocabulary(side) for side in SIDES)
        return reads.pieces(source[:s]), says.pieces(target[:t]), weights[:t, :s]

    def attention(self, texts, translations=None, limit=100, truncate=False, **how):
        """Where the model looked for each word: a list of (source pieces, target pieces, weights).

        Args:
            texts: str, or UTF-8 bytes.
            translations: what it is to say; without them, what it says by itself.
            limit: of ids, on both sides.
            truncate: cut what has more, instead of an error that names it.
            **how: of the search without `translations`, as in `generate`.

        Returns, for each text, the pieces of both sides, as labels, and weights [t, s], which sum
        to 1 over s. The last target piece is END, if it came within the limit.
        """
        check_numbers(limit=limit)
        reads, says = (self.vocabulary(side) for side in SIDES)
        source = reads.array(text.readable(texts), limit=limit, truncate=truncate)
        if translations is None:
            target, weights = self.best(self.generate(source, limit=limit, **how))
        else:
            target = says.array(translations, True, limit, truncate)[:, 1:]
            if len(target) != len(source):
                raise UsageError(f"{len(source)} texts need as many translations: {len(target)}")
            weights = self.alignments(source, target).numpy()
        rows = zip(source, target, weights, strict=True)
        return [self.attention_map(*row) for row in rows]
