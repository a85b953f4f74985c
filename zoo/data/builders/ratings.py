"""Ratings: stars that users give to films, synthetic or from MovieLens.

    train = ratings.load("ratings", "train", batch_size=256)
    for batch in train(0):          # {"user": int32 [256], "item": int32 [256], "rating": float32}

The synthetic ratings have known factors: user u and film i are points in a plane, and the rating is
3 + u . i + b_i + noise, in half stars from 1 to 5. So the factors to be found are known
(`latent_factors`), and so is the best possible error: about `NOISE` stars.

Importing this module registers the TFDS data set "ratings".
"""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from zoo.checks import check_numbers
from zoo.data import image_sources, tfds_store
from zoo.data.array_dataset import ArrayDataset
from zoo.data.catalog import info
from zoo.errors import UsageError

SPLITS = {"train": 18_000, "test": 2_000}
USERS = 400
ITEMS = 150
NOISE = 0.3  # stars
FEATURES = ("user", "item", "rating")


def latent_factors(seed: int = 0) -> dict[str, np.ndarray]:
    """The factors of the ratings, float64: user [400, 2], item [150, 2], bias [150]."""
    random = np.random.default_rng((seed, 0))
    user = random.normal(0, 1, (USERS, 2))
    item = random.normal(0, 0.8, (ITEMS, 2))
    return {"user": user, "item": item, "bias": random.normal(0, 0.4, ITEMS)}


def generate(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """n ratings of different (user, item): user and item int32 [n], rating float32 [n].

    Raises UsageError for n < 1 or more ratings than pairs of user and item.
    """
    check_numbers(n=n, seed=seed)
    if not 1 <= n <= USERS * ITEMS:
        raise UsageError(f"generate needs 1 <= n <= {USERS * ITEMS:,} ratings, got n={n}")
    random = np.random.default_rng((seed, 1))
    factors = latent_factors(seed)
    user, item = np.divmod(random.permutation(USERS * ITEMS)[:n], ITEMS)
    score = (factors["user"][user] * factors["item"][item]).sum(1) + factors["bias"][item]
    stars = np.round(2 * (3 + score + random.normal(0, NOISE, n))) / 2
    rating = np.clip(stars, 1, 5).astype(np.float32)
    return {"user": user.astype(np.int32), "item": item.astype(np.int32), "rating": rating}


def load(
    source: str = "ratings",
    split: str = "train",
    *,
    batch_size: int = 256,
    shuffle: bool | None = None,
    seed: int = 0,
    drop_remainder: bool | None = None,
    data_dir: str | os.PathLike | None = None,
) -> ArrayDataset:
    """Ratings as a data set of user, item (int32, from 0 without gaps) and rating (float32).

    Args:
        source: "ratings", or "movielens" ("movielens/1m-ratings" is a larger one).
        split, batch_size, shuffle, seed, drop_remainder, data_dir: as in `zoo.data.load`.

    Raises:
        UsageError: `source` does not hold ratings; and the errors of `zoo.data.load`.
    """
    dataset = info(source)
    if dataset.kind != "ratings":
        raise UsageError(
            f"{source} holds {dataset.kind}, not ratings; load it with {dataset.loader}"
        )
    split_name = image_sources.parse_split(split, [*dataset.splits])["name"]
    builder, data = tfds_store.open_split(source, split_name, data_dir)
    with tfds_store.read_errors(source, builder.data_dir):
        data = data.map(lambda example: {feature: example[feature] for feature in dataset.features})
        batches = list(data.batch(4096).as_numpy_iterator())
    arrays = {
        name: np.concatenate([batch[feature] for batch in batches])
        for name, feature in zip(FEATURES, dataset.features, strict=True)
    }
    for name in FEATURES[:2]:
        if arrays[name].dtype == object:  # names, numbered over the whole split
            arrays[name] = np.unique(arrays[name], return_inverse=True)[1].astype(np.int32)
    arrays["rating"] = arrays["rating"].astype(np.float32)
    training = split_name == "train"
    return ArrayDataset(
        image_sources.slice_split(arrays, split, [*dataset.splits], source),
        name=source,
        split=split,
        batch_size=batch_size,
        shuffle=training if shuffle is None else shuffle,
        seed=seed,
        drop_remainder=training if drop_remainder is None else drop_remainder,
    )


class Ratings(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with user and item int32, rating float32."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "18,000 + 2,000 ratings of 150 films by 400 users."}

    def _info(self) -> tfds.core.DatasetInfo:
        scalar = tfds.features.Scalar
        return tfds.core.DatasetInfo(
            builder=self,
            description="Stars that invented users give to invented films, from known factors.",
            features=tfds.features.FeaturesDict(
                {"user": scalar(np.int32), "item": scalar(np.int32), "rating": scalar(np.float32)}
            ),
            disable_shuffling=True,  # rating i stays example i
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Iterator]:
        starts = np.cumsum([0, *SPLITS.values()]).tolist()
        return {
            name: self._generate_examples(first, SPLITS[name])
            for name, first in zip(SPLITS, starts, strict=False)
        }

    def _generate_examples(self, first: int, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        ratings = generate(sum(SPLITS.values()))
        for i in range(count):
            yield i, {name: ratings[name][first + i] for name in FEATURES}
