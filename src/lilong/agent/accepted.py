"""What the agent writes down of a command before it does anything for it."""

from datetime import datetime

from lilong.protocol.messages import Submit
from lilong.protocol.spec import Frozen


class Accepted(Frozen):
    """submit.json: the command without its secrets, and what the agent added before anything happened."""

    submit: Submit
    hub_id: str
    report_key: str
    accepted_at: datetime
