"""One paper, one file; the file's name is the name it registers."""
