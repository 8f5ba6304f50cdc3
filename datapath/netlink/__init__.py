"""The openvswitch and route families of netlink: codecs, which are pure, and thin sockets."""
