"""The parts that the leaky and the bounded service share: a small framework, the catalogue, a deterministic load."""
