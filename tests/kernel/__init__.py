"""Tests on the real kernel module: a virtual machine (vm.py) in which `inside` runs."""
