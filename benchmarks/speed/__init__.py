"""Training and decoding speed beside TensorFlow tutorials, Keras and PyTorch."""
