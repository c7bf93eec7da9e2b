"""The rules by which cases are decided: plain data in, plain data out."""
