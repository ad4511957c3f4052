"""Makes sure that there is a Chromium to test the page with (`-m tools.browser`)."""

import shutil
import sys

from tools.needs import install, may_install

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
PACKAGES = ["chromium", "fonts-dejavu-core"]


def main() -> int:
    if any(map(shutil.which, PROGRAMS)):
        return 0
    if may_install():
        install(PACKAGES)
    if not any(map(shutil.which, PROGRAMS)):
        print(
            "no Chromium: tests of the page in a browser will be skipped; on Debian: apt-get install chromium"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
