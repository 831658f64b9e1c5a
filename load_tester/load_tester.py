"""The script behind `python load_tester/load_tester.py`; everything it does is in `cli`."""

import sys
from pathlib import Path

# A script's own folder comes first on the path, and there `import load_tester` would find this
# very file. The repository root takes its place.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [str(_HERE.parent), *(entry for entry in sys.path if Path(entry).resolve() != _HERE)]

from load_tester.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
