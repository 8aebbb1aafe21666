"""What people write: kinds of documents, the files they stand in, and everything that can be wrong with them."""
