"""Traffic control of network devices: how packets that leave are queued, and how many that come are taken."""
