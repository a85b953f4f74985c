"""Recipes of the captioning models."""

from zoo.data.caption_config import CaptionConfig
from zoo.recipes.metric_spec import MetricSpec
from zoo.recipes.recipe import Budget, Recipe, Reference

# Scenes of shapes have one correct caption each, so exact match is the main metric.

SHAPES = Recipe(
    name="captioning.shapes",
    title="Captions of scenes with one to three colored shapes",
    model="captioning",
    config={
        "encoder": [32, 64, 128],
        "embedding_dim": 64,
        "units": 128,
        "dropout": 0.1,
        "doubly_stochastic_weight": 0.0,  # most of a scene is empty
    },
    data="shapes",
    train="train",
    valid="validation",
    test="test",
    batch_size=64,
    learning_rate=2e-3,
    schedule="cosine",
    ema_momentum=0.99,
    clip_norm=5.0,
    text_config=CaptionConfig(max_length=24),
    select_best_epoch=False,
    budgets={
        "smoke": Budget(1, train_examples=640, samples=50),
        "cpu-hour": Budget(8),
        "paper": Budget(25),
    },
    metrics=(MetricSpec("exact_match"), MetricSpec("caption_scores", score="CIDEr-D", num_beams=1)),
    limitations="No test scene is in the training data; captions of test scenes are.",
)

# Flickr8k, with features of a frozen network.

SCORES = ("BLEU-4", "BLEU-1", "BLEU-2", "BLEU-3", "ROUGE-L", "CIDEr-D")

FLICKR8K = Recipe(
    name="captioning.flickr8k",
    title="Captions of photographs, from MobileNetV2 features",
    model="captioning",
    config={
        "image_shape": [7, 7, 1280],
        "encoder": None,
        "embedding_dim": 256,
        "units": 512,
        "dropout": 0.5,
        "annotation_dropout": 0.3,
        "label_smoothing": 0.1,
        "doubly_stochastic_weight": 0.0,  # captions are shorter than the list of positions
    },
    data="flickr8k",
    train="train",
    valid="validation",
    test="test",
    batch_size=64,
    learning_rate=1.5e-3,
    schedule="cosine",
    ema_momentum=0.999,
    clip_norm=5.0,
    text_config=CaptionConfig(
        lowercase=True,
        truncate=True,
        min_count=5,
        image_size=224,
        network="MobileNetV2",
        mirrored=True,
    ),
    select_best_epoch=False,
    budgets={
        "smoke": Budget(1, train_examples=32, samples=8),
        "cpu-hour": Budget(5),
        "paper": Budget(15),
    },
    metrics=(
        *(MetricSpec("caption_scores", score=score, num_beams=3) for score in SCORES),
        MetricSpec("caption_scores", score="BLEU-4", num_beams=1),
    ),
    references=(
        Reference(
            19.5,
            "arXiv 1502.03044, table 1",
            "Xu et al., soft attention over VGG, 14x14; their own tokens and split",
        ),
        Reference(
            21.3,
            "arXiv 1502.03044, table 1",
            "Xu et al., hard attention",
        ),
    ),
    limitations="MobileNetV2 was trained on ImageNet and is frozen here.",
)

RECIPES = (SHAPES, FLICKR8K)
