"""The array that functions of `zoo.figures` return."""

import io

import numpy as np
from PIL import Image


class Figure(np.ndarray):
    """A figure: an array uint8 [rows, columns, 3], which a notebook shows as an image."""

    def _repr_png_(self) -> bytes | None:
        """The image as PNG; None for arrays that are not figures, such as a part of one."""
        if self.ndim != 3 or self.shape[-1] != 3 or self.dtype != np.uint8 or not self.size:
            return None
        file = io.BytesIO()
        Image.fromarray(np.asarray(self)).save(file, "PNG")
        return file.getvalue()
