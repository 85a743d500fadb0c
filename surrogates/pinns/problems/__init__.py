"""One problem a file: a function `name` in name.py that files may name; see surrogates.pinns.named."""
