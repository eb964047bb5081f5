"""Names of the Socket.IO events, default namespace. See ``docs/reference/protocol.md``."""

from __future__ import annotations

from typing import Final

# from the worker
REGISTER: Final = "register"
RESULT: Final = "inference_result"
PROGRESS: Final = "inference_progress"
CHUNK: Final = "inference_chunk"
HEARTBEAT: Final = "heartbeat"
DRAIN: Final = "drain"

# from the site
REGISTER_RESPONSE: Final = "register_response"
REQUEST: Final = "inference_request"
CANCEL: Final = "inference_cancel"
SITE_DRAINING: Final = "site_draining"

FROM_WORKER: Final = (REGISTER, RESULT, PROGRESS, CHUNK, HEARTBEAT, DRAIN)
FROM_SITE: Final = (REGISTER_RESPONSE, REQUEST, CANCEL, SITE_DRAINING)
