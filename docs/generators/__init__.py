"""Pages of the site that are made from the source, and what Sphinx needs to show them."""
