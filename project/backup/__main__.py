"""``python -m project.backup``."""

from project.backup.cli import main

if __name__ == "__main__":
    main()
