"""Start what runs a rank: `python -I -S shim.py RANK_FOLDER`, or `--attached ATTEMPT_FOLDER`; see supervise.py.

Nothing else is here: what Python is started with it compiles each time; what that imports may be kept compiled.
"""

import os
import sys

TYPE_CHECKING = False  # the module `typing` costs more than all that is done here
if TYPE_CHECKING:
    from lilong.agent.engines.rank.supervise import main
elif __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from supervise import main

if __name__ == "__main__":
    main(sys.argv)
