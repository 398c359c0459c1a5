"""The detector: from a decoded film to an analysis. Pure: it knows no store, no network and no clock of the wall.

onnxruntime tells its maker of each session, unless it is told not to before it loads. An appliance tells nobody.
"""

import os

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
