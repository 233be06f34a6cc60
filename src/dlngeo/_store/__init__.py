"""Results on disk: whole or not at all, in a folder that one run holds."""
