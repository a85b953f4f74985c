"""Sequence generation: decoding, and the base classes of translators and captioners."""
