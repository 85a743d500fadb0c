"""Leaving again: our surrogates in other people's simulation programs. Import the file of the program."""
