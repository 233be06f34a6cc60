"""What numba compiles: the extra ``fast``. Imported by nobody until an engine asks for it.

Arrays have the lane last: entry (i, j) of the matrices of all lanes is one contiguous row, and a
loop over it becomes vector instructions. A lane's numbers depend on no other lane: nothing is
summed over lanes, and no operation is reordered.
"""
