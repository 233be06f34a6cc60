"""What holds at one point of weight space: the adjacency matrix and its landscape."""
