"""What holds at one end-to-end matrix W, without time: the metric g^N and its kin."""
