"""Optimizers as Keras has them, in one pass over the weights."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("zoo")
class Adam(keras.optimizers.Adam):
    """Keras' Adam, to rounding, by the one operation that TensorFlow has for it.

    Keras writes the update of a weight as a dozen operations, each of which reads and writes all of
    it. In a model of words, most of whose weights are tables, that is a tenth of a training step.

    Kingma, Ba (2014, arXiv 1412.6980), as at the end of its section 2. Arguments and state are
    those of `keras.optimizers.Adam`; with `amsgrad` it is that one.
    """

    def update_step(self, gradient, variable, learning_rate):
        if self.amsgrad:
            super().update_step(gradient, variable, learning_rate)
            return
        index, dtype = self._get_variable_index(variable), variable.dtype
        step = tf.cast(self.iterations + 1, dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=self.beta_1**step,
            beta2_power=self.beta_2**step,
            lr=tf.cast(learning_rate, dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(tf.convert_to_tensor(gradient), dtype),
        )
