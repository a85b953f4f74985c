"""TFDS builders of the data sets that the zoo generates or reads from a folder."""
