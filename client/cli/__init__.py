"""The command line: one file per group of commands; the results on stdout, everything else on stderr."""
