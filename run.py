"""Start the site: ``python run.py``. Settings come from flags and ``SPACES_*``; see docs/reference/settings.md."""

from project.bootstrap import MODE, import_sparingly, patch

patch(MODE)
import_sparingly()

from project.main import main  # noqa: E402  nothing may be imported before the patch

if __name__ == "__main__":
    main()
