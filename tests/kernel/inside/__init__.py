"""Tests that run within the virtual machine: they find the openvswitch module, root, and nothing to break."""
