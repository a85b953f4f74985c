"""Names in committed records before version 0.1.0 -> today's names.

Names in presets are in `zoo.presets.format_1`, which these tables extend.
"""

FILES = {  # of records
    "style.json": "style_transfer.json",
    "yardstick.json": "metric_sensitivity.json",
}
KINDS = {"style": "style_transfer", "yardstick": "metric_sensitivity"}

# New kind, then keys, "*" for any one: a pattern of a path -> the new name of its last key.
KEYS = {
    "*.threads.inside": "intra_op",
    "*.threads.side by side": "inter_op",
    "reproduction.recipe.warmup_epochs": "kl_warmup_epochs",
    "reproduction.recipe.clip": "clip_norm",
    "reproduction.recipe.ema": "ema_momentum",
    "reproduction.recipe.best": "select_best_epoch",
    "reproduction.recipe.limits": "limitations",
    "reproduction.recipe.texts": "text_config",
    "reproduction.recipe.sub_batches": "micro_batches",
    "reproduction.recipe.texts.tokens": "tokenizer",
    "reproduction.recipe.texts.limit": "max_length",
    "reproduction.recipe.budgets.*.is_images": "importance_sampling_images",
    "reproduction.recipe.budgets.*.train_images": "train_examples",
    "reproduction.recipe.metrics.*.arguments.beam": "num_beams",
    "finetuning.metric.metric": "name",
    "finetuning.settings.tests": "test_examples",
    "finetuning.results.*.way": "method",
    "finetuning.results.*.scratch": "from_scratch",
    "speed.worst_relative_difference": "max_relative_difference",
    "style_transfer.settings.features": "network",
    "style_transfer.settings.config.variation_weight": "total_variation_weight",
    "style_transfer.results.*.variation": "total_variation",
    "style_transfer.settings.features_sha256": "network_sha256",
    "metric_sensitivity.results.*.as they are": "unaltered",
    "metric_sensitivity.results.*.moved by half a pixel": "shifted by half a pixel",
}

# Pattern of a path by its old keys -> {old value: new value}.
VALUES = {
    "*.kind": KINDS,
    "reproduction.recipe.binarize": {"once": "fixed"},
}

# Replaced with `re.sub` in all keys and texts of a record, in this order.
TEXTS = (
    (r"\bFCD-(\w+)-v1\b", r"\1-classifier-v1"),
    ("^Training images, altered, in place", "Altered training images in place"),
    (
        r"drawn with seed 0, against all test images\.$",
        "drawn with seed 0, compared with all test images.",
    ),
    (r"iterations of L-BFGS against (\S+) steps", r"iterations of L-BFGS and \1 steps"),
)
