"""Assemble the files of lua/ into the scripts that the server runs."""
