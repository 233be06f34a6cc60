"""A valid call of every public function, and what may be wrong with each of its arguments."""
