"""Backing up a site and bringing it back: ``python -m project.backup create | verify | restore``.

An archive is a tar file: the database as one consistent copy, every file it knows, the secret key, and last of all a
manifest with the sizes and hashes of the others. It holds prompts, password hashes and the key: its mode is 0600.
"""
