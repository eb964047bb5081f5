"""The testers' tool: ``python test_websockets.py --host http://localhost:5001``. See docs/how-to/test-a-site.md."""

from project.suites.cli import main

if __name__ == "__main__":
    main()
