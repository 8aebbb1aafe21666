"""One kind of thing a file: how it is observed, compared, made and unmade. Nothing here knows a product."""
