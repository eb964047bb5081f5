"""A mock inference app: serves a space without a model, for trying and testing the site.

python mock_app.py --host http://localhost:5001 --spaces "NAME" --verbose
"""

from project.worker.mock.cli import main

if __name__ == "__main__":
    main()
