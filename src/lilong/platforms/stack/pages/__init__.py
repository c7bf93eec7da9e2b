"""Pages of the stack: what is claimed of accelerators as people read it, and the operators' forms."""
