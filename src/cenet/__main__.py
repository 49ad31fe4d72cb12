"""`python -m cenet`, the same as `cenet`."""

import sys

from cenet.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
