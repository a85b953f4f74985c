"""The models of the zoo, one paper per file; a file has the name that its model registers."""
