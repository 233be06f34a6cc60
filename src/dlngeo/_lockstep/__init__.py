"""Many members of one flow in step: each has steps, tolerances and an end of its own.

A :class:`~dlngeo._lockstep.motion.Motion` moves members by one step of a method; ``methods`` say
how long the next step is, ``follow`` carries a group to its ends, ``side_steps`` finds what lies
between the steps. What becomes of a member depends on no other.
"""
