"""Commands of the command line, one idea a module."""
