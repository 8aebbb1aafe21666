"""The nouns of the trade as frozen data: no I/O, no third-party code, nothing that can fail for a reason outside."""
