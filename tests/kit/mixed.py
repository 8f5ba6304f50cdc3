"""Our programs among the C ones, for the lab."""

from demo.lab import OURS, Programs

C = Programs(server=None, vswitchd=None, tools=None)
MIXED = {
    "our server": Programs(server=OURS, vswitchd=None, tools=None),
    "our tools": Programs(server=None, vswitchd=None, tools=OURS),
    "our switch": Programs(server=None, vswitchd=OURS, tools=None),
}
